package io.kestrasync.testengine;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kestra.core.debug.Breakpoint;
import io.kestra.core.exceptions.ConflictException;
import io.kestra.core.models.Label;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.executions.ExecutionKilled;
import io.kestra.core.models.executions.ExecutionKilledExecution;
import io.kestra.core.models.executions.ExecutionKind;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.models.flows.State;
import io.kestra.core.queues.QueueException;
import io.kestra.core.queues.QueueFactoryInterface;
import io.kestra.core.queues.QueueInterface;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.runners.FlowInputOutput;
import io.kestra.core.services.ExecutionService;
import io.kestra.core.services.FlowService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Produces;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.multipart.CompletedPart;
import io.micronaut.http.server.multipart.MultipartBody;
import io.micronaut.http.sse.Event;
import io.micronaut.runtime.server.EmbeddedServer;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import jakarta.inject.Named;
import jakarta.inject.Provider;
import java.io.IOException;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Executions: start, read, follow, search, kill, resume, delete. */
@Controller(Api.ROOT + "/executions")
@ExecuteOn(TaskExecutors.IO)
class ExecutionController {
    private final FlowService flows;
    private final FlowRepositoryInterface flowRepository;
    private final FlowInputOutput inputOutput;
    private final ExecutionRepositoryInterface repository;
    private final ExecutionService service;
    private final ExecutionFollower follower;
    private final QueueInterface<Execution> queue;
    private final QueueInterface<ExecutionKilled> killQueue;
    private final ObjectMapper mapper;
    private final Provider<EmbeddedServer> server;

    ExecutionController(
        FlowService flows,
        FlowRepositoryInterface flowRepository,
        FlowInputOutput inputOutput,
        ExecutionRepositoryInterface repository,
        ExecutionService service,
        ExecutionFollower follower,
        @Named(QueueFactoryInterface.EXECUTION_NAMED) QueueInterface<Execution> queue,
        @Named(QueueFactoryInterface.KILL_NAMED) QueueInterface<ExecutionKilled> killQueue,
        ObjectMapper mapper,
        Provider<EmbeddedServer> server
    ) {
        this.flows = flows;
        this.flowRepository = flowRepository;
        this.inputOutput = inputOutput;
        this.repository = repository;
        this.service = service;
        this.follower = follower;
        this.queue = queue;
        this.killQueue = killQueue;
        this.mapper = mapper;
        this.server = server;
    }

    @Post("/{namespace}/{id}")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    Mono<ObjectNode> create(
        HttpRequest<?> request,
        @PathVariable String namespace,
        @PathVariable String id,
        @Nullable @Body MultipartBody inputs,
        @Nullable @QueryValue Boolean wait,
        @Nullable @QueryValue Integer revision,
        @Nullable @QueryValue ZonedDateTime scheduleDate,
        @Nullable @QueryValue String breakpoints
    ) {
        Flow flow = flows.getFlowIfExecutableOrThrow(Api.TENANT, namespace, id, Optional.ofNullable(revision));
        Execution started = Execution.newExecution(
            flow, null, labels(request), Optional.ofNullable(scheduleDate), kind(request));
        Execution prepared = breakpoints == null || breakpoints.isBlank()
            ? started
            : started.withBreakpoints(Arrays.stream(breakpoints.split(",")).map(Breakpoint::of).toList());
        Publisher<CompletedPart> parts = inputs == null ? Flux.empty() : inputs;
        return inputOutput.readExecutionInputs(flow, prepared, parts)
            .map(prepared::withInputs)
            .flatMap(execution -> {
                emit(execution);
                return Boolean.TRUE.equals(wait) ? follower.end(flow, execution.getId()) : Mono.just(execution);
            })
            .map(this::withUrl);
    }

    /** {@code labels=key:value}, one label for each parameter: the rest of the text belongs to the value. */
    private static List<Label> labels(HttpRequest<?> request) {
        List<Label> labels = new ArrayList<>();
        for (String text : request.getParameters().getAll("labels")) {
            String[] pair = text.split(":", 2);
            if (pair.length < 2 || pair[0].isEmpty()) {
                throw new IllegalArgumentException("Invalid label: " + text);
            }
            if (pair[0].startsWith(Label.SYSTEM_PREFIX) && !pair[0].equals(Label.CORRELATION_ID)) {
                throw new IllegalArgumentException(
                    "System labels can only be set by Kestra itself, offending label: " + pair[0] + "=" + pair[1]);
            }
            labels.add(new Label(pair[0], pair[1]));
        }
        return labels;
    }

    /** An unknown kind is ignored, not refused. */
    @Nullable
    private static ExecutionKind kind(HttpRequest<?> request) {
        String text = request.getParameters().get("kind");
        return Arrays.stream(ExecutionKind.values())
            .filter(kind -> kind.name().equals(text))
            .findFirst()
            .orElse(null);
    }

    private void emit(Execution execution) {
        try {
            queue.emit(execution);
        } catch (QueueException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private ObjectNode withUrl(Execution execution) {
        ObjectNode json = mapper.valueToTree(execution);
        return json.put("url", "%s/ui/%s/executions/%s/%s/%s".formatted(
            server.get().getURL(), Api.TENANT, execution.getNamespace(), execution.getFlowId(), execution.getId()));
    }

    @Get("/{executionId}")
    Execution get(@PathVariable String executionId) {
        return find(executionId);
    }

    @Get("/{executionId}/follow")
    @Produces(MediaType.TEXT_EVENT_STREAM)
    Publisher<Event<Execution>> follow(@PathVariable String executionId) {
        return follower.follow(executionId);
    }

    @Get("/search")
    Page<Execution> search(HttpRequest<?> request) {
        return Page.of(repository.find(
            Page.asked(request, repository.sortMapping()),
            Api.TENANT,
            Filters.of(request, QueryFilter.Resource.EXECUTION)));
    }

    @Delete("/{executionId}")
    HttpResponse<?> delete(
        @PathVariable String executionId,
        @Nullable @QueryValue Boolean deleteLogs,
        @Nullable @QueryValue Boolean deleteMetrics,
        @Nullable @QueryValue Boolean deleteStorage
    ) throws IOException {
        service.delete(find(executionId), orTrue(deleteLogs), orTrue(deleteMetrics), orTrue(deleteStorage));
        return HttpResponse.noContent();
    }

    private static boolean orTrue(@Nullable Boolean value) {
        return value == null || value;
    }

    @Delete("/{executionId}/kill")
    HttpResponse<?> kill(
        @PathVariable String executionId, @Nullable @QueryValue Boolean isOnKillCascade
    ) throws QueueException {
        Execution execution = find(executionId);
        if (execution.getState().isTerminated()) {
            throw new ConflictException("Execution is already finished, can't kill it");
        }
        killQueue.emit(ExecutionKilledExecution.builder()
            .tenantId(Api.TENANT)
            .state(ExecutionKilled.State.REQUESTED)
            .executionId(executionId)
            .isOnKillCascade(orTrue(isOnKillCascade))
            .build());
        return HttpResponse.accepted();
    }

    @Post("/{executionId}/resume")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    HttpResponse<?> resume(@PathVariable String executionId) throws Exception {
        Execution execution = find(executionId);
        if (!execution.getState().isPaused()) {
            throw new IllegalStateException("Execution is not paused");
        }
        Flow flow = flowRepository.findByExecutionWithoutAcl(execution);
        queue.emit(service.resume(execution, flow, State.Type.RUNNING, null));
        return HttpResponse.noContent();
    }

    private Execution find(String id) {
        return repository.findById(Api.TENANT, id)
            .orElseThrow(() -> new NoSuchElementException("execution " + id));
    }
}
