// Ends with a stack trace, the one that the argument names.
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;

public class Trace {
    static class Refused extends Exception {
        Refused(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static class Connection implements AutoCloseable {
        public void close() {
            throw new IllegalStateException("cannot be closed");
        }
    }

    static int ask(int depth) {
        return depth > 0 ? ask(depth - 1) : Integer.parseInt("price");
    }

    static void pay() throws Refused {
        try {
            ask(3);
        } catch (NumberFormatException e) {
            throw new Refused("no price,\nand so no payment", e);
        }
    }

    static void chained() throws Exception {
        try {
            pay();
        } catch (Refused e) {
            throw new RuntimeException(e);
        }
    }

    static void suppressed() throws Exception {
        try (Connection c = new Connection()) {
            pay();
        }
    }

    static void pooled() throws Exception {
        var pool = Executors.newSingleThreadExecutor();
        try {
            pool.submit((Callable<Integer>) () -> ask(3)).get();
        } finally {
            pool.shutdown();
        }
    }

    static void printed() {
        try {
            chained();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    static void endless() {
        endless();
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "chained" -> chained();
            case "suppressed" -> suppressed();
            case "pooled" -> pooled();
            case "printed" -> printed();
            case "endless" -> endless();
        }
    }
}
