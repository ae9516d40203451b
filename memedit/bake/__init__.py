"""Edits written into the weights: computed as deltas, put on, taken off to the last bit.

This room knows edits and models; it knows no store and decides no route.

The interface::

    model = Editable.of(chat_model.engine)            # hold engine.using(None) meanwhile
    method = get_method("memit")                      # alphaedit, dem, ft-m, memit, pmet, rome
    settings = load_settings("memit", model.network)          # hparams/memit/FAMILY.toml
    moments = Moments(folder)                         # second moments, cached; own samples
    bad = refusals(model, edits, settings)            # {edit id: why}: leave these in memory

    delta = method.compute(model, good, settings, moments=moments, seed=0)
    model.apply(delta)                                # refused on another base
    model.revert(delta.id)                            # in any order; bit for bit
    save_delta(delta, path); load_delta(path)         # one safetensors file, atomic

What holds:

* ``compute`` leaves every weight as it was, bit for bit, also when it fails. It builds on the
  deltas that are on the model (``model.applied``), and reads second moments of the base alone.
* ``Editable`` computes a weight from its original and all deltas on it in float64 and rounds once.
  So deltas come off in any order, what is left at the end is the original, and the same deltas put
  on in the same order give the same bits in every process. Nothing needs to be written to disk but
  the deltas: base folder plus delta files is the baked model.
* ``delta.base`` is the hash of every bit of the untouched base (:func:`memedit.models.fingerprint.
  weights_fingerprint`), so the number format counts; any other base is refused.
* ``delta.figures`` has ``edits`` (by edit id; not for ft-m, which has ``loss``), ``relative``
  (by weight, ``|change| / |weight|``) and the ``prefixes`` drawn.
* ``merge`` adds deltas, ``Delta.scaled`` weakens one, ``export_peft`` writes one as an adapter that
  plain PEFT loads and switches.

Adding a method: a module with ``Settings`` and ``compute``, named in :mod:`memedit.bake.methods`.
"""

from memedit.bake.contexts import refusals
from memedit.bake.delta import Delta, LowRank, merge
from memedit.bake.delta_file import load_delta, save_delta
from memedit.bake.editable import Editable
from memedit.bake.methods import Method, get_method, layers_of, method_names, weights_of
from memedit.bake.moments import Moments
from memedit.bake.peft_export import export_peft
from memedit.bake.settings import load_settings

__all__ = [
    "Delta",
    "Editable",
    "LowRank",
    "Method",
    "Moments",
    "export_peft",
    "get_method",
    "layers_of",
    "load_delta",
    "load_settings",
    "merge",
    "method_names",
    "refusals",
    "save_delta",
    "weights_of",
]
