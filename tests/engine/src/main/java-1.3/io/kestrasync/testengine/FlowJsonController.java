package io.kestrasync.testengine;

import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpStatus;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Consumes;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.MediaType;
import io.micronaut.http.exceptions.HttpStatusException;

/**
 * Flows as JSON, which 2.0 has dropped: any {@code POST /flows/{something}} with such a body is the bulk update of a
 * namespace, {@code validate} as well. The engine refuses all of them as Kestra does one without flows.
 */
@Controller(Api.ROOT + "/flows")
class FlowJsonController {
    @Post("/{namespace}")
    @Consumes(MediaType.APPLICATION_JSON)
    void replace(@PathVariable String namespace, @Nullable @Body String flows) {
        throw new HttpStatusException(HttpStatus.UNPROCESSABLE_ENTITY, "flows");
    }
}
