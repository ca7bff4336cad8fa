package io.kestrasync.testengine;

import io.micronaut.context.ApplicationContext;
import io.micronaut.runtime.server.EmbeddedServer;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The Kestra engine (executor, worker, scheduler, indexer, repository) in one process, behind the controllers of
 * this package. Prints {@code READY <url>} once it serves; ends on SIGTERM, or when its standard input is closed, even
 * while it starts, so that it never outlives the process that started it.
 */
public final class Main {
    private static final int WORKER_THREADS = 8;

    private Main() {
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Thread input = daemon(Main::endWithStandardInput, "input");
        input.start();
        Settings settings = Settings.parse(args);
        ApplicationContext context = ApplicationContext.builder()
            .mainClass(Main.class)
            .properties(settings.properties())
            .banner(false)
            .start();
        startServices(context);
        EmbeddedServer server = context.getBean(EmbeddedServer.class).start();
        Runtime.getRuntime().addShutdownHook(new Thread(server::stop));
        System.out.println("READY http://127.0.0.1:" + server.getPort());
        System.out.flush();
        input.join();
    }

    private static void startServices(ApplicationContext context) {
        ExecutorService pool = Executors.newCachedThreadPool(task -> daemon(task, "engine"));
        Services.start(context, pool, WORKER_THREADS);
    }

    private static void endWithStandardInput() {
        try {
            while (System.in.read() != -1) {
                // Only its end matters, not what is written to it.
            }
        } catch (IOException ignored) {
            // It cannot be read any more: that is its end as well.
        }
        daemon(() -> {
            try {
                Thread.sleep(10_000);
            } catch (InterruptedException ignored) {
                // Halting is right either way.
            }
            Runtime.getRuntime().halt(1);
        }, "patience").start();
        System.exit(0);
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }
}
