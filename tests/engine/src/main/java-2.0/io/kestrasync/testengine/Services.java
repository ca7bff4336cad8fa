package io.kestrasync.testengine;

import io.kestra.core.contexts.KestraContext;
import io.kestra.core.runners.Executor;
import io.kestra.core.runners.Indexer;
import io.kestra.core.runners.Scheduler;
import io.kestra.core.runners.Worker;
import io.kestra.core.server.Service;
import io.kestra.core.worker.Controller;
import io.kestra.worker.systemworker.SystemWorker;
import io.micronaut.context.ApplicationContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;

/** The parts of Kestra 2.0 that run in addition to its web server. */
final class Services {
    private static final Duration PATIENCE = Duration.ofSeconds(100);

    private Services() {
    }

    /** Properties that only this version knows: where the worker finds its controller. */
    static Map<String, Object> properties() {
        int port = freePort();
        return Map.of(
            "kestra.controller.port", port,
            "kestra.worker.controllers.type", "STATIC",
            "kestra.worker.controllers.static.endpoints", List.of(Map.of("host", "127.0.0.1", "port", port)),
            "grpc.server.enabled", false,
            "grpc.server.health.enabled", false
        );
    }

    private static int freePort() {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Start them, and wait until all run: requests before that take half a minute, or get no answer. */
    static void start(ApplicationContext context, ExecutorService pool, int workerThreads) {
        KestraContext.getContext().injectWorkerConfigs(workerThreads);
        pool.execute(context.getBean(Executor.class));
        Controller controller = context.getBean(Controller.class);
        pool.execute(controller::start);
        Worker worker = context.getBean(Worker.class);
        pool.execute(() -> worker.start(workerThreads));
        Scheduler scheduler = context.getBean(Scheduler.class);
        pool.execute(scheduler);
        Indexer indexer = context.getBean(Indexer.class);
        pool.execute(indexer);
        SystemWorker system = context.getBean(SystemWorker.class);
        pool.execute(system::start);
        awaitRunning(List.of(controller, worker, scheduler, indexer, system));
    }

    private static void awaitRunning(List<Service> services) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!services.stream().allMatch(it -> it.getState() == null || it.getState().isRunning())) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("not all services have started");
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
