package io.kestrasync.testengine;

import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.ExecutionStreamingService;
import io.micronaut.http.sse.Event;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.UUID;
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
        return Mono.fromCallable(() -> executions.findById(Api.TENANT, id)
                .orElseThrow(() -> new NoSuchElementException("execution " + id)))
            .subscribeOn(Schedulers.boundedElastic())
            .retryWhen(reactor.util.retry.Retry.fixedDelay(PATIENCE.dividedBy(PAUSE), PAUSE));
    }

    private Flux<Event<Execution>> events(Flow flow, Execution execution) {
        String subscriber = UUID.randomUUID().toString();
        return Flux.<Event<Execution>>create(sink -> {
            streaming.registerSubscriber(execution.getId(), subscriber, sink, flow);
            // Read again after registering: it may have ended in between, and nobody would tell.
            Execution now = executions.findById(Api.TENANT, execution.getId()).orElse(execution);
            boolean ended = streaming.isStopFollow(flow, now);
            sink.next(Event.of(now).id(ended ? "end" : "progress"));
            if (ended) {
                sink.complete();
            }
        }).doFinally(signal -> streaming.unregisterSubscriber(execution.getId(), subscriber));
    }
}
