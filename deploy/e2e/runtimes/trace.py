# Ends with a stack trace, the one that the argument names.
import sys
import threading
import traceback


class Refused(Exception):
    pass


def ask(depth):
    if depth > 0:
        return ask(depth - 1)
    return {}["price"]


def pay():
    try:
        ask(3)
    except KeyError as e:
        raise Refused("no price") from e


def during():
    try:
        raise Refused("no price,\nand so no payment")
    finally:
        raise RuntimeError("while it was cleaned up")


def group():
    raise ExceptionGroup("two at once", [ValueError("one"), TypeError("two")])


def endless():
    endless()


def threaded():
    t = threading.Thread(target=pay, name="worker")
    t.start()
    t.join()


def printed():
    try:
        during()
    except RuntimeError:
        traceback.print_exc()


def syntax():
    compile("def broken(:\n    pass\n", "/app/broken.py", "exec")


globals()[sys.argv[1]]()
