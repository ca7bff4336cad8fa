package io.kestrasync.testengine;

import io.kestra.core.async.AsyncOperationProcessedEvent;
import io.kestra.core.debug.Breakpoint;
import io.kestra.core.executor.command.Create;
import io.kestra.core.executor.command.ExecutionCommand;
import io.kestra.core.executor.command.Resume;
import io.kestra.core.executor.command.ResumeFromBreakpoint;
import io.kestra.core.models.Label;
import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.executions.ExecutionId;
import io.kestra.core.models.executions.ExecutionKilled;
import io.kestra.core.models.executions.ExecutionKilledExecution;
import io.kestra.core.models.executions.ExecutionKind;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.models.flows.State;
import io.kestra.core.models.executions.TaskRun;
import io.kestra.core.queues.BroadcastQueueInterface;
import io.kestra.core.queues.DispatchQueueInterface;
import io.kestra.core.queues.QueueException;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.runners.FlowInputOutput;
import io.kestra.core.services.AsyncOperationWaiter;
import io.kestra.core.services.ExecutionService;
import io.kestra.core.utils.IdUtils;
import io.kestra.plugin.core.flow.Pause;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.exceptions.HttpStatusException;
import io.micronaut.http.multipart.CompletedPart;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Mono;

/** How Kestra 2.0 starts, stops and shows executions: a command is put on a queue, and the response waits for it. */
@Singleton
class Runs {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** A call that may fail because of a queue. */
    private interface Emit {
        void to(String operationId) throws QueueException;
    }

    private final FlowInputOutput inputOutput;
    private final ExecutionService service;
    private final ExecutionRepositoryInterface repository;
    private final FlowRepositoryInterface flows;
    private final AsyncOperationWaiter waiter;
    private final DispatchQueueInterface<ExecutionCommand> commands;
    private final BroadcastQueueInterface<ExecutionKilled> killQueue;

    Runs(
        FlowInputOutput inputOutput,
        ExecutionService service,
        ExecutionRepositoryInterface repository,
        FlowRepositoryInterface flows,
        AsyncOperationWaiter waiter,
        DispatchQueueInterface<ExecutionCommand> commands,
        BroadcastQueueInterface<ExecutionKilled> killQueue
    ) {
        this.inputOutput = inputOutput;
        this.service = service;
        this.repository = repository;
        this.flows = flows;
        this.waiter = waiter;
        this.commands = commands;
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
        String id = IdUtils.create();
        return inputOutput.readExecutionInputs(flow, id, inputs).flatMap(values -> {
            Create command = Create
                .of(new ExecutionId(flow.getTenantId(), flow.getNamespace(), flow.getId(), id, flow.getRevision()))
                .withLabels(all)
                .withInputs(values)
                .withScheduleDate(scheduleDate == null ? null : scheduleDate.toInstant())
                .withKind(kind)
                .withBreakpoints(breakpoints);
            return done(id, "Create", operation -> commands.emit(command.withOperationId(operation)));
        });
    }

    Mono<HttpResponse<?>> kill(Execution execution, boolean cascade) {
        return done(execution.getId(), "Kill", operation -> killQueue.emit(
            ExecutionKilledExecution.builder()
                .state(ExecutionKilled.State.REQUESTED)
                .executionId(execution.getId())
                .isOnKillCascade(cascade)
                .tenantId(Api.TENANT)
                .operationId(operation)
                .build()))
            .map(HttpResponse::ok);
    }

    Mono<HttpResponse<?>> resume(Execution execution, Publisher<CompletedPart> inputs) {
        return service.readInputs(execution, flows.findByExecutionWithoutAcl(execution), inputs)
            .flatMap(values -> done(execution.getId(), "Resume", operation -> commands.emit(
                Resume.from(execution, Pause.Resumed.now(), values).withOperationId(operation))))
            .map(HttpResponse::ok);
    }

    Mono<HttpResponse<?>> resumeFromBreakpoint(Execution execution) {
        return done(execution.getId(), "Resume from breakpoint", operation -> commands.emit(
            ResumeFromBreakpoint.from(execution, Optional.empty()).withOperationId(operation)))
            .map(HttpResponse::ok);
    }

    /** The execution once the executor has done what was asked; 409 if it could not, 504 if it did not say. */
    private Mono<Execution> done(String id, String action, Emit emit) {
        return waiter.submit(id, operation -> {
            try {
                emit.to(operation);
            } catch (QueueException e) {
                throw new IllegalArgumentException(e);
            }
        }, PATIENCE)
            .onErrorMap(java.util.concurrent.TimeoutException.class, e -> new HttpStatusException(
                HttpStatus.GATEWAY_TIMEOUT, "Operation timed out waiting for state transition"))
            .map(event -> {
                if (event.outcome() == AsyncOperationProcessedEvent.Outcome.FAILED) {
                    throw new HttpStatusException(
                        HttpStatus.CONFLICT, "Failed to execute action '" + action + "': " + event.error());
                }
                return repository.findById(Api.TENANT, id)
                    .orElseThrow(() -> new NoSuchElementException("execution " + id));
            });
    }

    /** An execution as a single read shows it: no outputs, and task runs without what belongs to the execution. */
    static Object single(Execution execution) {
        Map<String, Object> json = row(execution);
        List<TaskRun> taskRuns = execution.getTaskRunList() == null ? List.of() : execution.getTaskRunList();
        json.put("taskRunList", taskRuns.stream().map(Runs::json).toList());
        json.put("metadata", execution.getMetadata());
        json.put("variables", execution.getVariables());
        json.put("traceParent", execution.getTraceParent());
        json.put("fixtures", execution.getFixtures());
        return json;
    }

    private static Map<String, Object> json(TaskRun taskRun) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", taskRun.getId());
        json.put("taskId", taskRun.getTaskId());
        json.put("parentTaskRunId", taskRun.getParentTaskRunId());
        json.put("value", taskRun.getValue());
        json.put("attempts", taskRun.getAttempts());
        json.put("state", taskRun.getState());
        json.put("iteration", taskRun.getIteration());
        json.put("dynamic", taskRun.getDynamic());
        json.put("forceExecution", taskRun.getForceExecution());
        json.values().removeIf(java.util.Objects::isNull);
        return json;
    }

    /** An execution as a search shows it: nothing of its task runs. */
    static Map<String, Object> row(Execution execution) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("tenantId", execution.getTenantId());
        json.put("id", execution.getId());
        json.put("namespace", execution.getNamespace());
        json.put("flowId", execution.getFlowId());
        json.put("flowRevision", execution.getFlowRevision());
        json.put("inputs", execution.getInputs());
        json.put("labels", execution.getLabels());
        json.put("state", execution.getState());
        json.put("parentId", execution.getParentId());
        json.put("originalId", execution.getOriginalId());
        json.put("trigger", execution.getTrigger());
        json.put("scheduleDate", execution.getScheduleDate());
        json.put("kind", execution.getKind());
        json.put("breakpoints", execution.getBreakpoints());
        json.put("loopRun", execution.getLoopRun());
        json.values().removeIf(java.util.Objects::isNull);
        return json;
    }
}
