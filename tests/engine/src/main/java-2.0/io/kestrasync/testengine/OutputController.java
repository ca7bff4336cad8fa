package io.kestrasync.testengine;

import io.kestra.core.exceptions.InternalException;
import io.kestra.core.models.executions.Execution;
import io.kestra.core.models.executions.TaskOutput;
import io.kestra.core.models.executions.TaskRun;
import io.kestra.core.repositories.ExecutionRepositoryInterface;
import io.kestra.core.repositories.TaskOutputRepositoryInterface;
import io.kestra.core.services.ExecutionOutputService;
import io.kestra.core.services.TaskOutputService;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.annotation.PathVariable;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/** The outputs of executions and of their task runs, which 2.0 no longer keeps in the execution. */
@Controller(Api.ROOT + "/outputs")
@ExecuteOn(TaskExecutors.IO)
class OutputController {
    /** Which task run has outputs, and whether they are small enough to lie in the database. */
    record Information(
        String taskId, String taskRunId, @Nullable String value, @Nullable Integer iteration, boolean inline
    ) {
    }

    private final ExecutionRepositoryInterface executions;
    private final TaskOutputRepositoryInterface taskOutputs;
    private final ExecutionOutputService executionService;
    private final TaskOutputService taskService;

    OutputController(
        ExecutionRepositoryInterface executions,
        TaskOutputRepositoryInterface taskOutputs,
        ExecutionOutputService executionService,
        TaskOutputService taskService
    ) {
        this.executions = executions;
        this.taskOutputs = taskOutputs;
        this.executionService = executionService;
        this.taskService = taskService;
    }

    @Get("/executions/{executionId}")
    Map<String, Object> ofExecution(@PathVariable String executionId) throws InternalException {
        Map<String, Object> outputs = executionService.getOutputs(find(executionId));
        return outputs == null ? Map.of() : outputs;
    }

    @Get("/tasks/{executionId}")
    List<Information> ofTasks(@PathVariable String executionId) throws InternalException {
        Execution execution = find(executionId);
        List<Information> found = new ArrayList<>();
        for (TaskOutput output : taskOutputs.findByExecution(execution)) {
            TaskRun run = execution.findTaskRunByTaskRunId(output.taskRunId());
            found.add(new Information(
                run.getTaskId(), run.getId(), run.getValue(), run.getIteration(), output.value() != null));
        }
        return found;
    }

    @Get("/tasks/{executionId}/{taskRunId}")
    Map<String, Object> ofTask(@PathVariable String executionId, @PathVariable String taskRunId)
        throws InternalException {
        Map<String, Object> outputs =
            taskService.getOutputs(find(executionId).findTaskRunByTaskRunId(taskRunId));
        return outputs == null ? Map.of() : outputs;
    }

    private Execution find(String id) {
        return executions.findById(Api.TENANT, id)
            .orElseThrow(() -> new NoSuchElementException("execution " + id));
    }
}
