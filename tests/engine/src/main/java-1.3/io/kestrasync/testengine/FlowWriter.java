package io.kestrasync.testengine;

import io.kestra.core.exceptions.DeserializationException;
import io.kestra.core.exceptions.FlowProcessingException;
import io.kestra.core.models.HasSource;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.flows.GenericFlow;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.services.FlowService;
import io.kestra.core.services.PluginDefaultService;
import io.micronaut.http.multipart.CompletedFileUpload;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.util.function.BiConsumer;

/** How Kestra 1.3 writes a flow. */
@Singleton
class FlowWriter {
    private final FlowService service;
    private final FlowRepositoryInterface repository;
    private final PluginDefaultService defaults;

    FlowWriter(FlowService service, FlowRepositoryInterface repository, PluginDefaultService defaults) {
        this.service = service;
        this.repository = repository;
        this.defaults = defaults;
    }

    FlowWithSource create(String source) throws DeserializationException, FlowProcessingException {
        return service.create(GenericFlow.fromYaml(Api.TENANT, source), true);
    }

    /** Not strict: an unknown property, which a create refuses, is stored here silently. */
    FlowWithSource update(String source, FlowWithSource previous)
        throws DeserializationException, FlowProcessingException {
        GenericFlow next = GenericFlow.fromYaml(Api.TENANT, source);
        service.checkValidSubflows(defaults.injectVersionDefaults(next, false), Api.TENANT);
        return repository.update(next, previous);
    }

    /** What the switch of the UI does: it stores an edited source, unchecked. */
    FlowWithSource replace(String source, FlowWithSource previous) throws DeserializationException {
        return repository.update(GenericFlow.fromYaml(Api.TENANT, source), previous);
    }

    /** Gives each source of an uploaded file or archive, and its name, to a reader. */
    void readSources(CompletedFileUpload file, BiConsumer<String, String> reader) throws IOException {
        HasSource.readSourceFile(file, reader);
    }
}
