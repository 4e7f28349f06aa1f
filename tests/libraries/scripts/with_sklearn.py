"""scikit-learn's plots."""

import wandb
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

run = wandb.init()
xs, ys = load_iris(return_X_y=True)
model = LogisticRegression(C=run.config.lr, max_iter=500).fit(xs, ys)
probabilities = model.predict_proba(xs)
wandb.sklearn.plot_classifier(
    model, xs, xs, ys, ys, model.predict(xs), probabilities, ["a", "b", "c"], model_name="linear"
)
run.log({"loss": 1 - model.score(xs, ys)})
