package io.kestrasync.testengine;

import io.kestra.core.contexts.KestraContext;
import io.kestra.core.runners.ExecutorInterface;
import io.kestra.core.runners.Indexer;
import io.kestra.core.runners.Scheduler;
import io.kestra.worker.DefaultWorker;
import io.micronaut.context.ApplicationContext;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;

/** The parts of Kestra 1.3 that run in addition to its web server. */
final class Services {
    private Services() {
    }

    /** Properties that only this version knows. */
    static Map<String, Object> properties() {
        return Map.of();
    }

    static void start(ApplicationContext context, ExecutorService pool, int workerThreads) {
        KestraContext.getContext().injectWorkerConfigs(workerThreads, null);
        pool.execute(context.getBean(ExecutorInterface.class));
        pool.execute(context.createBean(
            DefaultWorker.class, UUID.randomUUID().toString(), workerThreads, null));
        pool.execute(context.getBean(Scheduler.class));
        pool.execute(context.getBean(Indexer.class));
    }
}
