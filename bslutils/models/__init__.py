"""Models that turn users and items into vectors ready to score.

The protocol is small. ``model(users, items)`` gives the vectors of some ids for training,
``model.embed()`` those of all users and all items for ranking, and a score is their inner
product in both. A model may have a third method, ``model.auxiliary(users, items)``: a scalar
that :func:`bslutils.fit` adds to the ranking loss of a batch, whatever that loss is. It is
called in training, after ``model(…)``, with the users ``(B,)`` and the positives ``(B, P)`` of
the batch (padding repeats an item of its row).

Two attributes of a class say more. ``on_graph`` is true where a model is built from the training
pairs, and false or missing where from the numbers of users and items. ``waits`` is false where
``auxiliary`` never waits for a value on the device, so that a GPU may record its steps
(:mod:`bslutils.replay`); a term that does not say so is not recorded.
"""

# `X as X` is how a type checker knows that a name is exported.

from .contrastive import SimGCL as SimGCL, XSimGCL as XSimGCL, info_nce as info_nce
from .factorization import MatrixFactorization as MatrixFactorization
from .lightgcn import LightGCN as LightGCN, LightGCNPlusPlus as LightGCNPlusPlus
from .ngcf import NGCF as NGCF
from .registry import (
    MODELS as MODELS,
    make_model as make_model,
    model_parameters as model_parameters,
    model_settings as model_settings,
)
