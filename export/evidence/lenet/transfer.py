"""How good the frozen features of a network are on images it never saw."""

import keras

from keras_diffmask.export.demo.datasets import Dataset
from keras_diffmask.export.demo.recipes import Recipe
from keras_diffmask.export.demo.training import compile_classifier, score

#: The linear classifier on the features converges within these.
RECIPE = Recipe(10, 100, 1e-3)


def error_of_features(model: keras.Model, data: Dataset, seed: int) -> float:
    """Test error of a linear classifier on what the last layer reads.

    Nothing of the network is trained: its features are computed once.

    Args:
        model: a trained classifier whose last layer is Dense.
        data: other images of the same shape. The test part is used once.
        seed: of the classifier's weights and batches.

    Reference:
        Manessi et al., arXiv:1712.01721, whose abstract claims it of features of
        pruned networks.
    """
    keras.utils.set_random_seed(seed)
    features = keras.Model(model.inputs, model.layers[-1].input)
    train, test = (
        features.predict(x, batch_size=256, verbose=0)
        for x in (data.x_train, data.x_test)
    )
    # Features of different networks have different sizes: all get mean 0 and
    # deviation 1, those that never move none at all.
    scale = keras.layers.Normalization()
    scale.adapt(train)
    inputs = keras.Input(train.shape[1:])
    outputs = keras.layers.Dense(len(data.classes))(scale(inputs))
    classifier = keras.Model(inputs, outputs)
    compile_classifier(classifier, RECIPE, len(train))
    classifier.fit(
        train,
        data.y_train,
        batch_size=RECIPE.batch_size,
        epochs=RECIPE.epochs,
        verbose=0,
    )
    return 1 - score(classifier, test, data.y_test)
