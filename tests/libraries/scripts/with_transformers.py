"""Hugging Face's Trainer on a tiny random network."""

import torch
import wandb
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

wandb.init()
config = BertConfig(
    vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)
rows = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(n % 2)} for n in range(8)]
arguments = TrainingArguments(
    output_dir="out",
    report_to="wandb",
    learning_rate=wandb.config.lr,
    num_train_epochs=2,
    logging_steps=1,
    eval_strategy="epoch",
    save_strategy="epoch",
    per_device_train_batch_size=4,
    use_cpu=True,
    disable_tqdm=True,
)
model = BertForSequenceClassification(config)
trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows)
trainer.train()
wandb.log({"loss": trainer.evaluate()["eval_loss"]})
