"""Every public name of the package and where it is defined; read at run time too."""

from rnn_rust import callbacks as callbacks
from rnn_rust import data as data
from rnn_rust import errors as errors
from rnn_rust import evaluate as evaluate
from rnn_rust import log as log
from rnn_rust import losses as losses
from rnn_rust import optim as optim
from rnn_rust import schedules as schedules
from rnn_rust.data.dataset import Dataset as Dataset
from rnn_rust.data.preprocessor import Preprocessor as Preprocessor
from rnn_rust.data.scale import MinMaxScaler as MinMaxScaler
from rnn_rust.data.scale import RobustScaler as RobustScaler
from rnn_rust.data.scale import StandardScaler as StandardScaler
from rnn_rust.data.sequence import Sequence as Sequence
from rnn_rust.evaluate.binary import BinaryClassificationEvaluator as BinaryClassificationEvaluator
from rnn_rust.evaluate.multiclass import ClassificationEvaluator as ClassificationEvaluator
from rnn_rust.evaluate.regression import RegressionEvaluator as RegressionEvaluator
from rnn_rust.interchange.keras import from_keras as from_keras
from rnn_rust.interchange.onnx import from_onnx as from_onnx
from rnn_rust.interchange.torch import from_torch as from_torch
from rnn_rust.learning.history import History as History
from rnn_rust.learning.losses import Focal as Focal
from rnn_rust.learning.losses import Huber as Huber
from rnn_rust.learning.losses import Quantile as Quantile
from rnn_rust.learning.optimizers import SGD as SGD
from rnn_rust.learning.optimizers import Adagrad as Adagrad
from rnn_rust.learning.optimizers import Adam as Adam
from rnn_rust.learning.optimizers import AdamW as AdamW
from rnn_rust.learning.optimizers import RMSprop as RMSprop
from rnn_rust.model.scorer import Scorer as Scorer
from rnn_rust.models import GRU as GRU
from rnn_rust.models import LSTM as LSTM
from rnn_rust.models import RNN as RNN
from rnn_rust.models import load as load
from rnn_rust.models import load_scorer as load_scorer
from rnn_rust.training.callbacks import Checkpoint as Checkpoint
from rnn_rust.training.callbacks import EarlyStopping as EarlyStopping
from rnn_rust.training.loggers import CSVLogger as CSVLogger
from rnn_rust.training.loggers import JSONLinesLogger as JSONLinesLogger

__version__: str
