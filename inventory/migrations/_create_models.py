"""An operation for the squashed migrations of all four apps."""

from django.db.migrations.operations.base import Operation


class CreateModels(Operation):
    """Create models as ``CreateModel`` does one by one, but have Django render the state once for all of them.

    Rendering is what a fresh database takes its time for: with each model that refers to others, all that hang together are
    rendered anew. Models of one operation may refer to each other in a circle.
    """

    def __init__(self, operations):
        self.operations = operations

    def state_forwards(self, app_label, state):
        if "apps" in state.__dict__:
            del state.apps  # as the executor of migrations does: rendered again, whole, when next asked for
        for operation in self.operations:
            operation.state_forwards(app_label, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for operation in self.operations:
            operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        for operation in reversed(self.operations):
            operation.database_backwards(app_label, schema_editor, from_state, to_state)

    def references_model(self, name, app_label):
        return any(operation.references_model(name, app_label) for operation in self.operations)

    def describe(self):
        return f"Create {len(self.operations)} models"
