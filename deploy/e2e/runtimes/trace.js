// Ends with a stack trace, the one that the argument names.
class RefusedError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "RefusedError";
    this.code = "E_REFUSED";
  }
}

function ask(depth) {
  if (depth > 0) return ask(depth - 1);
  return undefined.price;
}

const all = {
  uncaught() {
    ask(3);
  },
  cause() {
    try {
      ask(3);
    } catch (cause) {
      throw new RefusedError("no price", { cause });
    }
  },
  async rejected() {
    await Promise.resolve();
    throw new TypeError("a promise was rejected");
  },
  aggregate() {
    throw new AggregateError([new Error("one"), new RangeError("two")], "two at once");
  },
  logged() {
    try {
      ask(3);
    } catch (e) {
      console.error(e);
    }
  },
  loggedWithCause() {
    try {
      all.cause();
    } catch (e) {
      console.error(e);
    }
  },
  notFound() {
    require("./is-not-there");
  },
};

all[process.argv[2]]();
