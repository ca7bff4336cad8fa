package io.kestrasync.testengine;

import io.kestra.core.models.FetchVersion;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.namespaces.files.NamespaceFileMetadata;
import io.kestra.core.repositories.NamespaceFileMetadataRepositoryInterface;
import io.micronaut.data.model.Pageable;
import jakarta.inject.Singleton;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** How Kestra 1.3 reads the path of a namespace file, and what it knows of files. */
@Singleton
class NamespaceFilePaths {
    private final NamespaceFileMetadataRepositoryInterface metadata;

    NamespaceFilePaths(NamespaceFileMetadataRepositoryInterface metadata) {
        this.metadata = metadata;
    }

    /** As in a form: a space becomes a plus sign, so that both are one file. */
    static String read(String path) throws URISyntaxException {
        return new URI(URLEncoder.encode(path, StandardCharsets.UTF_8)).getPath();
    }

    /** The path of an entry of an archive. */
    static String readEntry(String name) {
        return URI.create("/" + name).getPath();
    }

    static void checkWritable(String path) {
        // The storage objects to what it cannot keep.
    }

    /** The number of entries directly in a directory, of any namespace; not counted beyond two. */
    int children(String directory) {
        return metadata.find(
            Pageable.from(1, 2),
            Api.TENANT,
            List.of(filter(QueryFilter.Field.PARENT_PATH, directory)),
            false).size();
    }

    /** The numbers of all revisions of a file; none of one that is not there now. */
    List<Integer> revisions(String namespace, String path) {
        List<NamespaceFileMetadata> all = metadata.find(
            Pageable.UNPAGED,
            Api.TENANT,
            List.of(filter(QueryFilter.Field.NAMESPACE, namespace), filter(QueryFilter.Field.PATH, path)),
            true,
            FetchVersion.ALL);
        boolean there = all.stream().anyMatch(it -> it.isLast() && !it.isDeleted());
        return there ? all.stream().map(NamespaceFileMetadata::getVersion).toList() : List.of();
    }

    private static QueryFilter filter(QueryFilter.Field field, String value) {
        return QueryFilter.builder().field(field).operation(QueryFilter.Op.EQUALS).value(value).build();
    }
}
