package io.kestrasync.testengine;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kestra.core.debug.Breakpoint;
import io.kestra.core.exceptions.ConflictException;
import io.kestra.core.models.Label;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.executions.ExecutionKind;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
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
    private final Runs runs;
    private final ExecutionRepositoryInterface repository;
    private final ExecutionService service;
    private final ExecutionFollower follower;
    private final ObjectMapper mapper;
    private final Provider<EmbeddedServer> server;

    ExecutionController(
        FlowService flows,
        Runs runs,
        ExecutionRepositoryInterface repository,
        ExecutionService service,
        ExecutionFollower follower,
        ObjectMapper mapper,
        Provider<EmbeddedServer> server
    ) {
        this.flows = flows;
        this.runs = runs;
        this.repository = repository;
        this.service = service;
        this.follower = follower;
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
        List<Breakpoint> stops = breakpoints == null || breakpoints.isBlank()
            ? null
            : Arrays.stream(breakpoints.split(",")).map(Breakpoint::of).toList();
        return runs.start(flow, labels(request), scheduleDate, stops, kind(request), parts(inputs))
            .flatMap(it -> Boolean.TRUE.equals(wait) ? follower.end(flow, it.getId()) : Mono.just(it))
            .map(this::withUrl);
    }

    private static Publisher<CompletedPart> parts(@Nullable MultipartBody body) {
        return body == null ? Flux.empty() : body;
    }

    /** {@code labels=key:value}, one label for each parameter: the rest of the text belongs to the value. */
    private static List<Label> labels(HttpRequest<?> request) {
        List<Label> labels = new ArrayList<>();
        for (String text : request.getParameters().getAll("labels")) {
            String[] pair = text.split(":", 2);
            if (pair.length < 2 || pair[0].isEmpty()) {
                throw new IllegalArgumentException("Invalid label: " + text);
            }
            boolean allowed = pair[0].equals(Label.CORRELATION_ID) || pair[0].equals(Label.FROM);
            if (pair[0].startsWith(Label.SYSTEM_PREFIX) && !allowed) {
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

    private ObjectNode withUrl(Execution execution) {
        ObjectNode json = mapper.valueToTree(execution);
        return json.put("url", "%s/ui/%s/executions/%s/%s/%s".formatted(
            server.get().getURL(), Api.TENANT, execution.getNamespace(), execution.getFlowId(), execution.getId()));
    }

    @Get("/{executionId}")
    Object get(@PathVariable String executionId) {
        return Runs.single(find(executionId));
    }

    @Get("/{executionId}/follow")
    @Produces(MediaType.TEXT_EVENT_STREAM)
    Publisher<Event<Execution>> follow(@PathVariable String executionId) {
        return follower.follow(executionId);
    }

    @Get("/search")
    Page<?> search(HttpRequest<?> request) {
        return Page.of(repository
            .find(
                Page.asked(request, repository.sortMapping()),
                Api.TENANT,
                Filters.of(request, QueryFilter.Resource.EXECUTION))
            .map(Runs::row));
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

    /** A finished execution can be killed as well, and nothing happens; its children may still run. */
    @Delete("/{executionId}" + Dialect.ACTIONS + "/kill")
    @Produces(MediaType.TEXT_JSON)
    Mono<HttpResponse<?>> kill(
        @PathVariable String executionId, @Nullable @QueryValue Boolean isOnKillCascade
    ) throws Exception {
        Execution execution = find(executionId);
        boolean cascade = orTrue(isOnKillCascade);
        if (execution.getState().isTerminated() && !cascade) {
            throw new ConflictException("Execution is already finished, can't kill it");
        }
        return runs.kill(execution, cascade);
    }

    @Post("/{executionId}" + Dialect.ACTIONS + "/resume")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    Mono<HttpResponse<?>> resume(@PathVariable String executionId, @Nullable @Body MultipartBody inputs) {
        return runs.resume(service.getExecutionIfPause(Api.TENANT, executionId, true), parts(inputs));
    }

    @Post("/{executionId}" + Dialect.ACTIONS + "/resume-from-breakpoint")
    Mono<HttpResponse<?>> resumeFromBreakpoint(@PathVariable String executionId) {
        Execution execution = find(executionId);
        if (!execution.getState().isBreakpoint() || execution.getBreakpoints() == null) {
            throw new IllegalStateException("Execution is not suspended");
        }
        return runs.resumeFromBreakpoint(execution);
    }

    private Execution find(String id) {
        return repository.findById(Api.TENANT, id).orElseThrow(NoSuchElementException::new);
    }
}
