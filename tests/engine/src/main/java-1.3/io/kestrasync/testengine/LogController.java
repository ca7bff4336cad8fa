package io.kestrasync.testengine;

import io.kestra.core.models.executions.LogEntry;
import io.kestra.core.repositories.LogRepositoryInterface;
import io.kestra.core.services.ExecutionLogService;
import io.kestra.core.services.LogStreamingService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Produces;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.http.sse.Event;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.util.List;
import java.util.UUID;
import org.reactivestreams.Publisher;
import org.slf4j.event.Level;
import reactor.core.publisher.Flux;

/** The logs of one execution: read, follow, download. */
@Controller(Api.ROOT + "/logs/{executionId}")
@ExecuteOn(TaskExecutors.IO)
class LogController {
    private final ExecutionLogService service;
    private final LogRepositoryInterface repository;
    private final LogStreamingService streaming;

    LogController(
        ExecutionLogService service, LogRepositoryInterface repository, LogStreamingService streaming
    ) {
        this.service = service;
        this.repository = repository;
        this.streaming = streaming;
    }

    @Get
    List<LogEntry> find(
        @PathVariable String executionId,
        @Nullable @QueryValue Level minLevel,
        @Nullable @QueryValue String taskRunId,
        @Nullable @QueryValue String taskId,
        @Nullable @QueryValue Integer attempt
    ) {
        List<String> tasks = taskId == null ? null : List.of(taskId);
        return service.getExecutionLogs(Api.TENANT, executionId, minLevel, taskRunId, tasks, attempt, true);
    }

    @Get("/download")
    @Produces(MediaType.TEXT_PLAIN)
    HttpResponse<byte[]> download(
        @PathVariable String executionId,
        @Nullable @QueryValue Level minLevel,
        @Nullable @QueryValue String taskRunId,
        @Nullable @QueryValue String taskId,
        @Nullable @QueryValue Integer attempt
    ) throws IOException {
        List<String> tasks = taskId == null ? null : List.of(taskId);
        try (var logs = service.getExecutionLogsAsStream(
            Api.TENANT, executionId, minLevel, taskRunId, tasks, attempt, true)) {
            return HttpResponse.ok(logs.readAllBytes())
                .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"" + executionId + ".log\"");
        }
    }

    @Get("/follow")
    @Produces(MediaType.TEXT_EVENT_STREAM)
    Publisher<Event<LogEntry>> follow(@PathVariable String executionId, @Nullable @QueryValue Level minLevel) {
        List<String> levels = LogEntry.findLevelsByMin(minLevel).stream().map(Level::name).toList();
        String subscriber = UUID.randomUUID().toString();
        return Flux.<Event<LogEntry>>create(sink -> {
            sink.next(Event.of(LogEntry.builder().build()).id("start"));
            service.getExecutionLogs(Api.TENANT, executionId, minLevel, null, null, null, true)
                .forEach(entry -> sink.next(Event.of(entry).id("progress")));
            streaming.registerSubscriber(executionId, subscriber, sink, levels);
        }).doFinally(signal -> streaming.unregisterSubscriber(executionId, subscriber));
    }

    @Delete
    void delete(@PathVariable String executionId, @Nullable @QueryValue Level minLevel) {
        repository.deleteByQuery(Api.TENANT, executionId, null, null, minLevel, null);
    }
}
