package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.executions.LogEntry;
import io.kestra.core.repositories.LogDataStoreInterface;
import io.kestra.core.runners.FollowLogEvent;
import io.kestra.core.services.LogStreamingService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpRequest;
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
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import org.reactivestreams.Publisher;
import org.slf4j.event.Level;
import reactor.core.publisher.Flux;

/** The logs of one execution, chosen by filters: {@code minLevel} and the like are ignored since 2.0. */
@Controller(Api.ROOT + "/logs/{executionId}")
@ExecuteOn(TaskExecutors.IO)
class LogController {
    private final LogDataStoreInterface repository;
    private final LogStreamingService streaming;

    LogController(LogDataStoreInterface repository, LogStreamingService streaming) {
        this.repository = repository;
        this.streaming = streaming;
    }

    @Get
    List<LogEntry> find(HttpRequest<?> request, @PathVariable String executionId) {
        return found(filters(request, executionId));
    }

    @Get("/download")
    @Produces(MediaType.TEXT_PLAIN)
    HttpResponse<byte[]> download(HttpRequest<?> request, @PathVariable String executionId) {
        String text = found(filters(request, executionId)).stream()
            .map(LogEntry::toPrettyString)
            .collect(Collectors.joining("\n"));
        return HttpResponse.ok(text.getBytes(StandardCharsets.UTF_8))
            .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"" + executionId + ".log\"");
    }

    @Get("/follow")
    @Produces(MediaType.TEXT_EVENT_STREAM)
    Publisher<Event<FollowLogEvent>> follow(HttpRequest<?> request, @PathVariable String executionId) {
        List<QueryFilter> filters = filters(request, executionId);
        String subscriber = UUID.randomUUID().toString();
        return Flux.<Event<FollowLogEvent>>create(sink -> {
            sink.next(Event.of(FollowLogEvent.from(LogEntry.builder().build())).id("start"));
            found(filters).forEach(entry -> sink.next(Event.of(FollowLogEvent.from(entry)).id("progress")));
            streaming.registerSubscriber(executionId, subscriber, sink, filters);
        }).doFinally(signal -> streaming.unregisterSubscriber(executionId, subscriber));
    }

    @Delete
    void delete(@PathVariable String executionId, @Nullable @QueryValue Level minLevel) {
        repository.deleteByQuery(Api.TENANT, executionId, null, null, minLevel, null);
    }

    private List<LogEntry> found(List<QueryFilter> filters) {
        return repository.findAsync(Api.TENANT, filters).collectList().block();
    }

    private static List<QueryFilter> filters(HttpRequest<?> request, String executionId) {
        List<QueryFilter> filters = new ArrayList<>(Filters.of(request, QueryFilter.Resource.LOG));
        filters.add(QueryFilter.builder()
            .field(QueryFilter.Field.EXECUTION_ID)
            .operation(QueryFilter.Op.EQUALS)
            .value(executionId)
            .build());
        return filters;
    }
}
