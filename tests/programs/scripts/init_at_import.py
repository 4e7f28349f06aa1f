"""Its library begins the run when it is imported."""

import begins

begins.run.log({"loss": begins.run.config.lr})
