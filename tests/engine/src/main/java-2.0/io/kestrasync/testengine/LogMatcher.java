package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.runners.FollowLogEvent;
import io.kestra.core.services.FollowLogEventMatcher;
import jakarta.inject.Singleton;
import java.util.List;
import org.slf4j.event.Level;

/** Whether a followed log entry passes the filters that its subscriber has set: the execution and the level. */
@Singleton
class LogMatcher implements FollowLogEventMatcher {
    @Override
    public boolean matches(FollowLogEvent event, List<QueryFilter> filters) {
        return filters.stream().allMatch(filter -> switch (filter.field()) {
            case EXECUTION_ID -> filter.value().equals(event.executionId());
            case LEVEL -> event.level() != null
                && event.level().toInt() >= Level.valueOf(String.valueOf(filter.value())).toInt();
            default -> true;
        });
    }
}
