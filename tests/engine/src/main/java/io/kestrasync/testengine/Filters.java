package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.FlowScope;
import io.micronaut.http.HttpRequest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads {@code filters[field][OPERATION]=value} (and {@code filters[labels][EQUALS][key]=value}). */
final class Filters {
    private static final Pattern NAME =
        Pattern.compile("filters\\[([^\\]]+)]\\[([^\\]]+)](?:\\[(.+)])?");
    /** The parameters from before filters, and what they became. */
    private static final Map<String, QueryFilter.Op> DEPRECATED = Map.of(
        "q", QueryFilter.Op.EQUALS,
        "namespace", QueryFilter.Op.PREFIX,
        "flowId", QueryFilter.Op.EQUALS
    );

    private Filters() {
    }

    /** What the request asks for; an unknown field or operation, or one that is not for this resource, is refused. */
    static List<QueryFilter> of(HttpRequest<?> request, QueryFilter.Resource resource) {
        List<QueryFilter> filters = new ArrayList<>();
        Map<QueryFilter.Op, Map<String, String>> labels = new EnumMap<>(QueryFilter.Op.class);
        request.getParameters().forEach((name, values) -> {
            Matcher matcher = NAME.matcher(name);
            if (matcher.matches()) {
                QueryFilter.Field field = field(matcher.group(1));
                QueryFilter.Op op = QueryFilter.Op.valueOf(matcher.group(2));
                if (matcher.group(3) != null && field == QueryFilter.Field.LABELS) {
                    labels.computeIfAbsent(op, it -> new HashMap<>()).put(matcher.group(3), values.getFirst());
                } else if (matcher.group(3) != null) {
                    filters.add(filter(field, op, Map.of(matcher.group(3), values.getFirst())));
                } else {
                    values.forEach(value -> filters.add(filter(field, op, value(field, op, value))));
                }
            } else if (name.startsWith("filters[")) {
                // Kestra 2.0 knows groups of filters, this engine does not: better no answer than a wrong one.
                throw new IllegalArgumentException("Unsupported filter: " + name);
            }
        });
        labels.forEach((op, wanted) -> filters.add(filter(QueryFilter.Field.LABELS, op, wanted)));
        if (Dialect.OLD_PARAMETERS && filters.isEmpty()) {
            DEPRECATED.forEach((name, op) -> request.getParameters().getFirst(name)
                .filter(value -> !value.isEmpty())
                .ifPresent(value -> filters.add(filter(field(name), op, value))));
        }
        QueryFilter.validateQueryFilters(filters, resource);
        return filters;
    }

    private static QueryFilter filter(QueryFilter.Field field, QueryFilter.Op op, Object value) {
        return QueryFilter.builder().field(field).operation(op).value(value).build();
    }

    private static Object value(QueryFilter.Field field, QueryFilter.Op op, String text) {
        if (field == QueryFilter.Field.SCOPE) {
            return Arrays.stream(text.split(",")).map(it -> FlowScope.valueOf(it.toUpperCase(Locale.ROOT))).toList();
        }
        boolean list = op == QueryFilter.Op.IN || op == QueryFilter.Op.NOT_IN;
        return list ? Arrays.asList(text.replaceAll("[\\[\\]]", "").split(",")) : text;
    }

    private static QueryFilter.Field field(String name) {
        return QueryFilter.Field.fromString(name);
    }
}
