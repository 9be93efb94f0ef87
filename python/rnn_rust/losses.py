"""Losses: what training minimises.

Give a name, which uses the defaults; one of the classes here; or an object of your own:

====================== ==================================================== =====================
name                   e of a prediction y = output_activation(z), label l  class
====================== ==================================================== =====================
``mse``                (y − l)²
``mae``                abs(y − l)
``huber``              (y − l)² / 2 up to delta, then a line (Huber, 1964)  :class:`Huber`
``quantile``           max(q (l − y), (q − 1) (l − y)) (Koenker and         :class:`Quantile`
                       Bassett, 1978)
``binary_cross_entropy`` −l ln p − (1 − l) ln (1 − p), p = sigmoid(z)
``cross_entropy``      −ln p_l, p = softmax(z), l the number of a class
``focal``              −(1 − p_l)^gamma ln p_l, p as in binary_cross_entropy :class:`Focal`
                       (Lin et al., 2017, without α)
====================== ==================================================== =====================

The last three determine the output activation; ``predict`` then returns probabilities.
"""

from rnn_rust.learning.losses import CustomLoss, Focal, Huber, Loss, Quantile

__all__ = ["CustomLoss", "Focal", "Huber", "Loss", "Quantile"]
