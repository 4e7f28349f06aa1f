"""PyTorch Lightning's WandbLogger, which logs each checkpoint as a model."""

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from torch.utils.data import DataLoader, TensorDataset


class Line(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        loss = (self.layer(batch[0]) - batch[1]).square().mean()
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


logger = WandbLogger(log_model="all", project="own")
lr = logger.experiment.config["lr"]
xs = torch.randn(16, 2)
loader = DataLoader(TensorDataset(xs, xs.sum(1, keepdim=True)), batch_size=8)
lightning.Trainer(
    max_epochs=2,
    logger=logger,
    accelerator="cpu",
    enable_progress_bar=False,
    callbacks=[ModelCheckpoint(monitor="loss", save_top_k=-1)],
).fit(Line(lr), loader)
