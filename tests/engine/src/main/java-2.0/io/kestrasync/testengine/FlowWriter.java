package io.kestrasync.testengine;

import io.kestra.core.exceptions.FlowProcessingException;
import io.kestra.core.models.HasSource;
import io.kestra.core.models.flows.FlowWithSource;
import io.kestra.core.models.flows.GenericFlow;
import io.kestra.core.queues.QueueException;
import io.kestra.core.security.SecurityConfiguration;
import io.kestra.core.services.FlowService;
import io.micronaut.http.multipart.CompletedFileUpload;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.util.function.BiConsumer;

/** How Kestra 2.0 writes a flow. */
@Singleton
class FlowWriter {
    private final FlowService service;
    private final SecurityConfiguration.ZipBombProtectionConfiguration limits;

    FlowWriter(FlowService service, SecurityConfiguration security) {
        this.service = service;
        this.limits = security.zipBombProtection();
    }

    FlowWithSource create(String source) throws FlowProcessingException, QueueException {
        return service.create(GenericFlow.fromYaml(Api.TENANT, source));
    }

    /** As strict as a create. */
    FlowWithSource update(String source, FlowWithSource previous)
        throws FlowProcessingException, QueueException {
        return service.update(GenericFlow.fromYaml(Api.TENANT, source), previous);
    }

    /** What the switch of the UI does: it stores an edited source. */
    FlowWithSource replace(String source, FlowWithSource previous)
        throws FlowProcessingException, QueueException {
        return update(source, previous);
    }

    /** Gives each source of an uploaded file or archive, and its name, to a reader. */
    void readSources(CompletedFileUpload file, BiConsumer<String, String> reader) throws IOException {
        HasSource.readSourceFile(limits, file, reader);
    }
}
