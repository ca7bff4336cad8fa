package io.kestrasync.testengine;

import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.ExecutionStreamingService;
import io.micronaut.core.propagation.PropagatedContext;
import io.micronaut.http.sse.Event;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** The life of one execution as events: {@code start} (a stub), {@code progress}, {@code end}. */
@Singleton
class ExecutionFollower {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration PAUSE = Duration.ofMillis(50);

    private final ExecutionStreamingService streaming;
    private final ExecutionRepositoryInterface executions;
    private final FlowRepositoryInterface flows;

    ExecutionFollower(
        ExecutionStreamingService streaming,
        ExecutionRepositoryInterface executions,
        FlowRepositoryInterface flows
    ) {
        this.streaming = streaming;
        this.executions = executions;
        this.flows = flows;
    }

    /** An unknown execution gives the stub, then an error after ten seconds, which cuts the connection. */
    Flux<Event<Execution>> follow(String id) {
        Event<Execution> stub = Event.of(Execution.builder().id(id).build()).id("start");
        return Flux.concat(
            Flux.just(stub),
            awaitStored(id).flatMapMany(execution -> events(flows.findByExecutionWithoutAcl(execution), execution)));
    }

    /** The execution once it has ended. */
    Mono<Execution> end(Flow flow, String id) {
        return awaitStored(id)
            .flatMapMany(execution -> events(flow, execution))
            .last()
            .map(Event::getData);
    }

    /** A new execution is in the queue first, and in the repository a moment later. */
    private Mono<Execution> awaitStored(String id) {
        return Mono.fromCallable(() -> find(id).orElseThrow(() -> new NoSuchElementException("execution " + id)))
            .subscribeOn(Schedulers.boundedElastic())
            .retryWhen(reactor.util.retry.Retry.fixedDelay(PATIENCE.dividedBy(PAUSE), PAUSE));
    }

    /** By a connection of its own: that of the request, which Kestra 2.0 hands on, may be closed by now. */
    private static <T> T apart(Supplier<T> read) {
        try (PropagatedContext.Scope ignored = PropagatedContext.empty().propagate()) {
            return read.get();
        }
    }

    private Optional<Execution> find(String id) {
        return apart(() -> executions.findById(Api.TENANT, id));
    }

    private Flux<Event<Execution>> events(Flow flow, Execution execution) {
        String subscriber = UUID.randomUUID().toString();
        return Flux.<Event<Execution>>create(sink -> {
            apart(() -> {
                streaming.registerSubscriber(execution.getId(), subscriber, sink, flow);
                return null;
            });
            // Read again after registering: it may have ended in between, without an event.
            Execution now = find(execution.getId()).orElse(execution);
            boolean ended = apart(() -> streaming.isStopFollow(flow, now));
            sink.next(Event.of(now).id(ended ? "end" : "progress"));
            if (ended) {
                sink.complete();
            }
        })
            // Both the read above and the queue may report the end.
            .takeUntil(it -> "end".equals(it.getId()))
            .doFinally(signal -> streaming.unregisterSubscriber(execution.getId(), subscriber));
    }
}
