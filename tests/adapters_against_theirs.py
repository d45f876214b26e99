"""The adapters inside the libraries that they are for; `make test-adapters` has them."""

import pytest
import torch
from torch import nn

from bslutils.adapters import RepeatedBatch, SentenceLoss
from bslutils.losses import SoftmaxLoss


def test_sentence_transformers(tmp_path):
    theirs = pytest.importorskip("sentence_transformers")
    from datasets import Dataset
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    class Letters(nn.Module):
        """Counts of letters, and a layer: a model that nobody has to download."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(26, 8)

        def tokenize(self, texts, **kwargs):
            counts = [[text.count(chr(97 + k)) for k in range(26)] for text in texts]
            return {"input_ids": torch.tensor(counts, dtype=torch.float32)}

        preprocess = tokenize

        def forward(self, features, **kwargs):
            return features | {"sentence_embedding": self.layer(features["input_ids"])}

        def save(self, *args, **kwargs):
            pass

    torch.manual_seed(0)
    model = theirs.SentenceTransformer(modules=[Letters()], device="cpu")
    rows = {
        "anchor": ["tea", "milk", "bread", "jam"],
        "positive": ["teapot", "milky way", "breadth", "james"],
        "negative": ["silk", "broad", "team", "ham"],
    }
    ours = SentenceLoss(model, SoftmaxLoss(tau=0.05, pos_in_denominator=True))
    reference = MultipleNegativesRankingLoss(model, scale=20.0)
    features = [model[0].tokenize(texts) for texts in rows.values()]
    values = [loss([dict(f) for f in features], torch.zeros(4)) for loss in (ours, reference)]
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-6)
    slopes = [torch.autograd.grad(value, list(model.parameters())) for value in values]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)

    arguments = theirs.SentenceTransformerTrainingArguments(
        output_dir=tmp_path,
        num_train_epochs=5,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
    )
    trainer = theirs.SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict(rows), loss=ours
    )
    trainer.train()
    after = ours([dict(f) for f in features])
    assert after < values[0] - 0.1


def test_recbole(tmp_path):
    pytest.importorskip("recbole")
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import BPR
    from recbole.trainer import Trainer

    folder = tmp_path / "small"
    folder.mkdir()
    pairs = [(u, (3 * u + k) % 40) for u in range(30) for k in range(10)]
    lines = ["user_id:token\titem_id:token", *(f"u{u}\ti{i}" for u, i in pairs)]
    (folder / "small.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {
        "data_path": str(tmp_path),
        "checkpoint_dir": str(tmp_path / "saved"),
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 4},
        "epochs": 3,
        "train_batch_size": 256,
        "embedding_size": 8,
        "learning_rate": 0.05,
        "state": "ERROR",
        "show_progress": False,
        "use_gpu": False,
    }
    config = Config(model="BPR", dataset="small", config_dict=settings)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    torch.manual_seed(0)
    model = BPR(config, train.dataset)
    loss = SoftmaxLoss(tau=0.2)
    model.loss = RepeatedBatch(loss, n_negatives=4)

    batch = next(iter(train))
    users, pos, neg = (batch[name] for name in ("user_id", "item_id", "neg_item_id"))
    rows = len(users) // 4
    assert torch.equal(users[:rows], users[-rows:]) and torch.equal(pos[:rows], pos[-rows:])
    u, p, n = model.user_embedding(users), model.item_embedding(pos), model.item_embedding(neg)
    by_hand = loss((u * p).sum(1)[:rows], (u * n).sum(1).view(4, rows).T)
    torch.testing.assert_close(model.calculate_loss(batch), by_hand)

    before = model.calculate_loss(batch).item()
    Trainer(config, model).fit(train, saved=False, verbose=False)
    assert model.calculate_loss(batch).item() < before - 0.1
