package io.kestrasync.testengine;

import io.kestra.core.models.QueryFilter;
import io.kestra.core.models.flows.Flow;
import io.kestra.core.models.triggers.AbstractTrigger;
import io.kestra.core.models.triggers.RealtimeTriggerInterface;
import io.kestra.core.models.triggers.Schedulable;
import io.kestra.core.models.triggers.Trigger;
import io.kestra.core.models.triggers.TriggerContext;
import io.kestra.core.queues.QueueException;
import io.kestra.core.queues.QueueFactoryInterface;
import io.kestra.core.queues.QueueInterface;
import io.kestra.core.repositories.ArrayListTotal;
import io.kestra.core.repositories.FlowRepositoryInterface;
import io.kestra.core.repositories.TriggerRepositoryInterface;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.HttpRequest;
import io.micronaut.http.annotation.Body;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.http.annotation.Post;
import io.micronaut.http.annotation.Put;
import io.micronaut.http.annotation.QueryValue;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import jakarta.inject.Named;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;

/** The run-time states of triggers. */
@Controller(Api.ROOT + "/triggers")
@ExecuteOn(TaskExecutors.IO)
class TriggerController {
    /** A trigger of a flow and its state. */
    record Both(@Nullable AbstractTrigger abstractTrigger, Trigger triggerContext) {
    }

    /** Which trigger; without its tenant a change of many does nothing, but counts it anyway. */
    record Ask(
        @Nullable String tenantId, String namespace, String flowId, String triggerId, @Nullable Boolean disabled
    ) {
        String uid(@Nullable String tenant) {
            return Trigger.builder()
                .tenantId(tenant).namespace(namespace).flowId(flowId).triggerId(triggerId).build().uid();
        }
    }

    /** Many triggers, and what to do with them. */
    record AskMany(List<Ask> triggers, Boolean disabled) {
    }

    private final TriggerRepositoryInterface repository;
    private final FlowRepositoryInterface flows;
    private final QueueInterface<Trigger> queue;

    TriggerController(
        TriggerRepositoryInterface repository,
        FlowRepositoryInterface flows,
        @Named(QueueFactoryInterface.TRIGGER_NAMED) QueueInterface<Trigger> queue
    ) {
        this.repository = repository;
        this.flows = flows;
        this.queue = queue;
    }

    @Get("/search")
    Page<Both> search(HttpRequest<?> request) {
        ArrayListTotal<Trigger> states = repository.find(
            Page.asked(request, repository.sortMapping()),
            Api.TENANT,
            Filters.of(request, QueryFilter.Resource.TRIGGER));
        List<Both> found = new ArrayList<>();
        for (Trigger state : states) {
            flows.findById(Api.TENANT, state.getNamespace(), state.getFlowId())
                .filter(flow -> flow.getTriggers() != null)
                .ifPresent(flow -> found.add(new Both(trigger(flow, state.getTriggerId()).orElse(null), state)));
        }
        return new Page<>(found, states.getTotal());
    }

    @Get("/{namespace}/{flowId}")
    Page<Trigger> ofFlow(
        HttpRequest<?> request,
        @PathVariable String namespace,
        @PathVariable String flowId,
        @Nullable @QueryValue String q
    ) {
        return Page.of(repository.find(
            Page.asked(request, repository.sortMapping()), q, Api.TENANT, namespace, flowId, null));
    }

    @Put
    Trigger update(@Body Ask ask) throws QueueException {
        Flow flow = flows.findById(Api.TENANT, ask.namespace(), ask.flowId())
            .orElseThrow(() -> new NoSuchElementException("Flow of trigger " + ask.triggerId() + " not found"));
        AbstractTrigger trigger = trigger(flow, ask.triggerId()).orElseThrow(() ->
            new NoSuchElementException("Flow " + ask.flowId() + " has no trigger " + ask.triggerId()));
        if (trigger instanceof RealtimeTriggerInterface) {
            throw new IllegalArgumentException("Realtime triggers can not be updated through the API");
        }
        return Optional.ofNullable(switchTo(ask.uid(Api.TENANT), Boolean.TRUE.equals(ask.disabled()), trigger))
            .orElseThrow(() -> new NoSuchElementException("trigger " + ask.triggerId()));
    }

    @Post("/set-disabled/by-triggers")
    Map<String, Integer> updateMany(@Body AskMany many) throws QueueException {
        for (Ask ask : many.triggers()) {
            Optional<AbstractTrigger> trigger = flows.findById(Api.TENANT, ask.namespace(), ask.flowId())
                .flatMap(flow -> trigger(flow, ask.triggerId()));
            if (trigger.isPresent() && !(trigger.get() instanceof RealtimeTriggerInterface)) {
                switchTo(ask.uid(ask.tenantId()), many.disabled(), trigger.get());
            }
        }
        return Map.of("count", many.triggers().size());
    }

    @Post("/{namespace}/{flowId}/{triggerId}/unlock")
    Trigger unlock(@PathVariable String namespace, @PathVariable String flowId, @PathVariable String triggerId)
        throws QueueException {
        Trigger state = repository.findLast(TriggerContext.builder()
                .tenantId(Api.TENANT).namespace(namespace).flowId(flowId).triggerId(triggerId).build())
            .orElseThrow(() -> new NoSuchElementException("trigger " + triggerId));
        if (state.getExecutionId() == null && state.getEvaluateRunningDate() == null) {
            throw new IllegalStateException("Trigger is not locked");
        }
        Trigger unlocked = state.unlock();
        queue.emit(unlocked);
        return unlocked;
    }

    private static Optional<AbstractTrigger> trigger(Flow flow, String id) {
        return flow.getTriggers() == null
            ? Optional.empty()
            : flow.getTriggers().stream().filter(it -> it.getId().equals(id)).findFirst();
    }

    /** The new state; null if there is none yet. */
    @Nullable
    private Trigger switchTo(String uid, boolean disabled, AbstractTrigger trigger) throws QueueException {
        List<Trigger> changed = new ArrayList<>();
        Trigger locked = repository.lock(uid, state -> {
            if (Boolean.valueOf(disabled).equals(state.getDisabled())) {
                return state;
            }
            Trigger.TriggerBuilder<?, ?> next = state.toBuilder().disabled(disabled);
            if (disabled) {
                next.nextExecutionDate(null);
            } else if (trigger instanceof Schedulable) {
                next.nextExecutionDate(ZonedDateTime.now());
            }
            Trigger built = next.build();
            changed.add(built);
            return built;
        });
        for (Trigger state : changed) {
            queue.emit(state);
        }
        return locked;
    }
}
