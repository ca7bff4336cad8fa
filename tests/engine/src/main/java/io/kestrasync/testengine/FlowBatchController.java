package io.kestrasync.testengine;

import io.kestra.core.exceptions.DeserializationException;
import io.kestra.core.models.HasSource;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.flows.GenericFlow;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.micronaut.data.model.Pageable;
import io.micronaut.http.HttpHeaders;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.MediaType;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Delete;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.multipart.CompletedFileUpload;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.Function;

/** Many flows in one call: export, import, the switches of the UI. */
@Controller(Api.ROOT + "/flows")
@ExecuteOn(TaskExecutors.IO)
class FlowBatchController {
    /** How a flow is named in a list of ids. */
    record IdWithNamespace(String namespace, String id) {
    }

    private final FlowService service;
    private final FlowRepositoryInterface repository;

    FlowBatchController(FlowService service, FlowRepositoryInterface repository) {
        this.service = service;
        this.repository = repository;
    }

    @Get("/export/by-query")
    HttpResponse<byte[]> export(HttpRequest<?> request) throws IOException {
        List<FlowWithSource> flows = repository.findWithSource(
            Pageable.UNPAGED, Api.TENANT, Filters.of(request, QueryFilter.Resource.FLOW));
        return zip(flows, flow -> flow.getNamespace() + "-" + flow.getId() + ".yml");
    }

    @Post("/export/by-ids")
    HttpResponse<byte[]> export(@Body List<IdWithNamespace> ids) throws IOException {
        return zip(all(ids), flow -> flow.getNamespace() + "." + flow.getId() + ".yaml");
    }

    private static HttpResponse<byte[]> zip(List<FlowWithSource> flows, Function<FlowWithSource, String> name)
        throws IOException {
        return HttpResponse.ok(HasSource.asZipFile(flows, name))
            .contentType(MediaType.APPLICATION_OCTET_STREAM_TYPE)
            .header(HttpHeaders.CONTENT_DISPOSITION, "attachment; filename=\"flows.zip\"");
    }

    @Post("/import")
    @Consumes(MediaType.MULTIPART_FORM_DATA)
    List<String> importFile(CompletedFileUpload fileUpload) throws IOException {
        List<String> failed = new ArrayList<>();
        HasSource.readSourceFile(fileUpload, (source, name) -> {
            try {
                service.importFlow(Api.TENANT, source);
            } catch (Exception e) {
                failed.add(name);
            }
        });
        return failed;
    }

    @Delete("/delete/by-ids")
    Map<String, Integer> delete(@Body List<IdWithNamespace> ids) {
        List<FlowWithSource> flows = all(ids);
        flows.forEach(service::delete);
        return Map.of("count", flows.size());
    }

    @Post("/disable/by-ids")
    Map<String, Integer> disable(@Body List<IdWithNamespace> ids) throws DeserializationException {
        return toggle(ids, true);
    }

    @Post("/enable/by-ids")
    Map<String, Integer> enable(@Body List<IdWithNamespace> ids) throws DeserializationException {
        return toggle(ids, false);
    }

    /** What the UI's switch does: it edits the source. */
    private Map<String, Integer> toggle(List<IdWithNamespace> ids, boolean disabled)
        throws DeserializationException {
        int count = 0;
        for (FlowWithSource flow : all(ids)) {
            if (flow.isDisabled() != disabled) {
                String source = FlowService.injectDisabled(flow.getSource(), disabled);
                repository.update(GenericFlow.fromYaml(Api.TENANT, source), flow);
                count++;
            }
        }
        return Map.of("count", count);
    }

    private List<FlowWithSource> all(List<IdWithNamespace> ids) {
        return ids.stream()
            .map(it -> repository
                .findByIdWithSource(Api.TENANT, it.namespace(), it.id(), Optional.empty(), false)
                .orElseThrow(() -> new NoSuchElementException("flow " + it.namespace() + "." + it.id())))
            .toList();
    }
}
