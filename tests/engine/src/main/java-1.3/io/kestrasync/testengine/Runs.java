package io.kestrasync.testengine;

import io.kestra.core.debug.Breakpoint;
import io.kestra.core.models.Label;
import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.executions.ExecutionKilled;
import io.kestra.core.models.executions.ExecutionKilledExecution;
import io.kestra.core.models.executions.ExecutionKind;
import io.kestra.core.models.executions.TaskRun;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.models.flows.State;
import io.kestra.core.queues.QueueException;
import io.kestra.core.queues.QueueFactoryInterface;
import io.kestra.core.queues.QueueInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.runners.FlowInputOutput;
import io.kestra.core.services.ExecutionService;
import io.kestra.plugin.core.flow.Pause;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.multipart.CompletedPart;
import jakarta.inject.Named;
import jakarta.inject.Singleton;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** How Kestra 1.3 starts, stops and shows executions: a changed execution is put on the queue without waiting. */
@Singleton
class Runs {
    private final FlowInputOutput inputOutput;
    private final ExecutionService service;
    private final FlowRepositoryInterface flows;
    private final QueueInterface<Execution> queue;
    private final QueueInterface<ExecutionKilled> killQueue;

    Runs(
        FlowInputOutput inputOutput,
        ExecutionService service,
        FlowRepositoryInterface flows,
        @Named(QueueFactoryInterface.EXECUTION_NAMED) QueueInterface<Execution> queue,
        @Named(QueueFactoryInterface.KILL_NAMED) QueueInterface<ExecutionKilled> killQueue
    ) {
        this.inputOutput = inputOutput;
        this.service = service;
        this.flows = flows;
        this.queue = queue;
        this.killQueue = killQueue;
    }

    Mono<Execution> start(
        Flow flow,
        List<Label> labels,
        @Nullable ZonedDateTime scheduleDate,
        @Nullable List<Breakpoint> breakpoints,
        @Nullable ExecutionKind kind,
        Publisher<CompletedPart> inputs
    ) {
        List<Label> all = new ArrayList<>(labels);
        if (all.stream().noneMatch(label -> label.key().equals(Label.FROM))) {
            all.add(new Label(Label.FROM, "api"));
        }
        Execution started = Execution.newExecution(flow, null, all, Optional.ofNullable(scheduleDate), kind);
        Execution prepared = breakpoints == null ? started : started.withBreakpoints(breakpoints);
        return inputOutput.readExecutionInputs(flow, prepared, inputs)
            .map(prepared::withInputs)
            .doOnNext(this::emit);
    }

    Mono<HttpResponse<?>> kill(Execution execution, boolean cascade) throws QueueException {
        killQueue.emit(ExecutionKilledExecution.builder()
            .tenantId(Api.TENANT)
            .state(ExecutionKilled.State.REQUESTED)
            .executionId(execution.getId())
            .isOnKillCascade(cascade)
            .build());
        return Mono.just(HttpResponse.accepted());
    }

    Mono<HttpResponse<?>> resume(Execution execution, Publisher<CompletedPart> inputs) {
        Flow flow = flows.findByExecutionWithoutAcl(execution);
        return service.resume(execution, flow, State.Type.RUNNING, inputs, Pause.Resumed.now())
            .doOnNext(this::emit)
            .map(it -> HttpResponse.noContent());
    }

    Mono<HttpResponse<?>> resumeFromBreakpoint(Execution execution) {
        List<TaskRun> taskRuns = execution.getTaskRunList().stream()
            .map(it -> it.getState().isBreakpoint() ? it.withState(State.Type.CREATED) : it)
            .toList();
        emit(execution.withState(State.Type.RUNNING).withTaskRunList(taskRuns).withBreakpoints(null));
        return Mono.just(HttpResponse.ok());
    }

    private void emit(Execution execution) {
        try {
            queue.emit(execution);
        } catch (QueueException e) {
            throw new IllegalArgumentException(e);
        }
    }

    /** An execution as a single read shows it: all of it. */
    static Object single(Execution execution) {
        return execution;
    }

    /** An execution as a search shows it: all of it. */
    static Object row(Execution execution) {
        return execution;
    }
}
