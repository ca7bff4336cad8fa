package io.kestrasync.testengine;

import io.kestra.core.async.AsyncOperationProcessedEvent;
import io.kestra.core.exceptions.ConflictException;
import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.State;
import io.kestra.core.models.triggers.AbstractTrigger;
import io.kestra.core.models.triggers.Backfill;
import io.kestra.core.models.triggers.TriggerId;
import io.kestra.core.repositories.ArrayListTotal;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.repositories.TriggerRepositoryInterface;
import io.kestra.core.scheduler.events.ResetTrigger;
import io.kestra.core.scheduler.events.SetDisableTrigger;
import io.kestra.core.scheduler.model.TriggerState;
import io.kestra.core.scheduler.queue.TriggerEventQueue;
import io.kestra.core.services.AsyncOperationWaiter;
import io.kestra.core.utils.IdUtils;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.HttpResponse;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Put;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** The run-time states of triggers. A change is an event for the scheduler, and the answer waits for it. */
@Controller(Api.ROOT + "/triggers")
@ExecuteOn(TaskExecutors.IO)
class TriggerController {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** The state of a trigger as it is shown. */
    record Shown(
        String namespace,
        String flowId,
        String triggerId,
        Instant updatedAt,
        @Nullable Instant evaluatedAt,
        @Nullable Instant nextEvaluationDate,
        @Nullable Backfill backfill,
        @Nullable List<State.Type> stopAfter,
        boolean disabled,
        boolean locked,
        @Nullable String workerId,
        @Nullable Instant lastTriggeredDate,
        @Nullable String executionId,
        Object kind
    ) {
        static Shown of(TriggerState it) {
            return new Shown(
                it.getNamespace(), it.getFlowId(), it.getTriggerId(), seconds(it.getUpdatedAt()),
                seconds(it.getEvaluatedAt()), seconds(it.getNextEvaluationDate()), it.getBackfill(),
                it.getStopAfter(), it.isDisabled(), it.isLocked(), it.getWorkerId(),
                seconds(it.getLastTriggeredDate()), it.getExecutionId(), it.getType());
        }

        @Nullable
        private static Instant seconds(@Nullable Instant time) {
            return time == null ? null : time.truncatedTo(ChronoUnit.SECONDS);
        }
    }

    /** A trigger of a flow and its state. */
    record Both(@Nullable AbstractTrigger trigger, Shown state) {
    }

    /** Which trigger, and what to do with it. */
    record Ask(String namespace, String flowId, String triggerId, @Nullable Boolean disabled) {
        TriggerId id() {
            return TriggerId.of(Api.TENANT, namespace, flowId, triggerId);
        }
    }

    /** Many triggers, and what to do with them. */
    record AskMany(List<Ask> triggers, Boolean disabled) {
    }

    /** How many of them will change. */
    record Accepted(String operationId, int totalItems) {
    }

    private final TriggerRepositoryInterface repository;
    private final FlowRepositoryInterface flows;
    private final TriggerEventQueue events;
    private final AsyncOperationWaiter waiter;

    TriggerController(
        TriggerRepositoryInterface repository,
        FlowRepositoryInterface flows,
        TriggerEventQueue events,
        AsyncOperationWaiter waiter
    ) {
        this.repository = repository;
        this.flows = flows;
        this.events = events;
        this.waiter = waiter;
    }

    @Get("/search")
    Page<Both> search(HttpRequest<?> request) {
        ArrayListTotal<TriggerState> states = repository.find(
            Page.asked(request, repository.sortMapping()),
            Api.TENANT,
            Filters.of(request, QueryFilter.Resource.TRIGGER));
        List<Both> found = new ArrayList<>();
        for (TriggerState state : states) {
            definition(state).ifPresent(trigger -> found.add(new Both(trigger, Shown.of(state))));
        }
        return new Page<>(found, states.getTotal());
    }

    @Get("/{namespace}/{flowId}")
    Page<Shown> ofFlow(
        HttpRequest<?> request,
        @PathVariable String namespace,
        @PathVariable String flowId,
        @Nullable @QueryValue String q
    ) {
        return Page.of(repository
            .find(Page.asked(request, repository.sortMapping()), q, Api.TENANT, namespace, flowId, null)
            .map(Shown::of));
    }

    @Put("/set-disabled")
    Shown update(@Body Ask ask) {
        TriggerId id = ask.id();
        if (definition(id).isEmpty()) {
            throw new NoSuchElementException("trigger " + ask.triggerId());
        }
        boolean disabled = Boolean.TRUE.equals(ask.disabled());
        await(id, operation -> events.send(new SetDisableTrigger(id, disabled).withOperationId(operation)));
        return Shown.of(state(id));
    }

    @Post("/set-disabled/by-triggers")
    HttpResponse<Accepted> updateMany(@Body AskMany many) {
        String operation = IdUtils.create();
        List<TriggerId> known = many.triggers().stream()
            .map(Ask::id)
            .filter(id -> definition(id).isPresent())
            .toList();
        known.forEach(id -> events.send(new SetDisableTrigger(id, many.disabled()).withOperationId(operation)));
        return HttpResponse.<Accepted>accepted().body(new Accepted(operation, known.size()));
    }

    @Post("/{namespace}/{flowId}/{triggerId}/unlock")
    Shown unlock(@PathVariable String namespace, @PathVariable String flowId, @PathVariable String triggerId) {
        TriggerId id = TriggerId.of(Api.TENANT, namespace, flowId, triggerId);
        if (!state(id).isLocked()) {
            throw new ConflictException("trigger " + id + " is already unlocked");
        }
        await(id, operation -> events.send(new ResetTrigger(id).withOperationId(operation)));
        return Shown.of(state(id));
    }

    private Optional<AbstractTrigger> definition(TriggerId id) {
        return flows.findById(Api.TENANT, id.getNamespace(), id.getFlowId())
            .filter(flow -> flow.getTriggers() != null)
            .flatMap(flow -> flow.getTriggers().stream()
                .filter(it -> it.getId().equals(id.getTriggerId()))
                .findFirst());
    }

    private TriggerState state(TriggerId id) {
        return repository.findById(id)
            .orElseThrow(() -> new NoSuchElementException("trigger " + id.getTriggerId()));
    }

    private void await(TriggerId id, Consumer<String> send) {
        try {
            AsyncOperationProcessedEvent event = waiter.submitAndWait(id.uid(), send, PATIENCE);
            if (event.outcome() == AsyncOperationProcessedEvent.Outcome.FAILED) {
                throw new ConflictException("trigger " + id + " cannot be changed: " + event.error());
            }
        } catch (TimeoutException e) {
            throw new IllegalStateException("the scheduler does not answer", e);
        }
    }
}
