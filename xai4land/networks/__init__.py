"""Networks: plain torch modules, registered by name.

An architecture is a callable ``(channels, categories, outputs, **parameters) -> torch.nn.Module``
offered under the entry point group ``xai4land.architectures``. The module maps ``x`` of shape
(batch, channels, rows, columns) and ``codes`` of shape (batch, len(categories), rows, columns),
whole numbers below ``categories``, to (batch, outputs, rows, columns).

An architecture whose weights are not found by gradients has a function ``train_windows`` with the
arguments of :func:`xai4land.training.maps.train`, which is called in its place.
"""
