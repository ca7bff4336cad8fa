package io.kestrasync.testengine;

import io.kestra.core.models.flows.FlowInterface;
import io.kestra.core.queues.QueueFactoryInterface;
import io.kestra.core.queues.QueueInterface;
import io.kestra.runner.h2.H2Queue;
import io.kestra.runner.h2.H2QueueFactory;
import io.micronaut.context.ApplicationContext;
import io.micronaut.context.annotation.Bean;
import io.micronaut.context.annotation.Factory;
import io.micronaut.context.annotation.Replaces;
import jakarta.inject.Named;
import jakarta.inject.Singleton;
import java.util.function.Supplier;

/**
 * The queue of written flows, which is read less often than the others: tests write flows all the time, and three
 * readers of each of them took a quarter of the engine's processor time. Triggers of a flow start that much later.
 */
@Factory
final class FlowQueue {
    private static final long PAUSE_MILLIS = 400;

    @Singleton
    @Bean(preDestroy = "close")
    @Named(QueueFactoryInterface.FLOW_NAMED)
    @Replaces(value = QueueInterface.class, factory = H2QueueFactory.class, named = QueueFactoryInterface.FLOW_NAMED)
    QueueInterface<FlowInterface> flows(ApplicationContext context) {
        return new H2Queue<>(FlowInterface.class, context) {
            @Override
            protected Runnable poll(Supplier<Integer> read) {
                return super.poll(() -> {
                    pause();
                    return read.get();
                });
            }
        };
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
