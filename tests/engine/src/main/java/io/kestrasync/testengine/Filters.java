package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.micronaut.http.HttpRequest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads {@code filters[field][OPERATION]=value} (and {@code filters[labels][EQUALS][key]=value}). */
final class Filters {
    private static final Pattern NAME =
        Pattern.compile("filters\\[([^\\]]+)]\\[([^\\]]+)](?:\\[([^\\]]*)])?");
    /** The parameters from before filters, dropped in 2.0, and what they became. */
    private static final Map<String, QueryFilter.Op> DEPRECATED = Map.of(
        "q", QueryFilter.Op.EQUALS,
        "namespace", QueryFilter.Op.PREFIX,
        "flowId", QueryFilter.Op.EQUALS
    );

    private Filters() {
    }

    static List<QueryFilter> of(HttpRequest<?> request, QueryFilter.Resource resource) {
        List<QueryFilter> filters = new ArrayList<>();
        request.getParameters().forEach((name, values) -> {
            Matcher matcher = NAME.matcher(name);
            if (matcher.matches()) {
                values.forEach(value -> filters.add(filter(matcher, value)));
            }
        });
        if (filters.isEmpty()) {
            DEPRECATED.forEach((name, op) -> request.getParameters().getFirst(name)
                .filter(value -> !value.isEmpty())
                .ifPresent(value -> filters.add(new QueryFilter(field(name), op, value))));
        }
        QueryFilter.validateQueryFilters(filters, resource);
        return filters;
    }

    private static QueryFilter filter(Matcher name, String value) {
        QueryFilter.Field field = field(name.group(1));
        QueryFilter.Op op = QueryFilter.Op.valueOf(name.group(2));
        if (name.group(3) != null) {
            return new QueryFilter(field, op, Map.of(name.group(3), value));
        }
        boolean list = op == QueryFilter.Op.IN || op == QueryFilter.Op.NOT_IN;
        return new QueryFilter(field, op, list ? Arrays.asList(value.split(",")) : value);
    }

    private static QueryFilter.Field field(String name) {
        return QueryFilter.Field.fromString(name);
    }
}
