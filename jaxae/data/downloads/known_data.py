"""Table of the data sets that `jaxae data download` fetches.

Sizes and SHA-256 checksums are those of the tables of TensorFlow Datasets 4.9.10. The files of MNIST,
Fashion-MNIST and binarized MNIST were hashed and agree. The files of Fashion-MNIST on GitHub have the Git
blob ids of the original ones. `omniglot_28` has no published SHA-256 and no published size; its checksum is
the blob id in its repository.
"""

from jaxae.data.downloads.description import KnownData, RemoteFile

TORONTO = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
LAKE = (
    "Lake, Salakhutdinov and Tenenbaum (2015). Human-level concept learning through probabilistic program"
    " induction. Science 350(6266), 1332-1338"
)


def _files(places: tuple[str, ...], *rows: tuple[str, int | None, str]) -> tuple[RemoteFile, ...]:
    """Return the files (name, size, checksum) that each of `places` has under the same name."""
    return tuple(
        RemoteFile(name, size, checksum, tuple(f"{place}/{name}" for place in places))
        for name, size, checksum in rows
    )


def _drive(name: str, size: int, checksum: str, key: str) -> RemoteFile:
    """Return a file of Google Drive, where `confirm` skips the question about files without a virus scan."""
    urls = (
        f"https://drive.usercontent.google.com/download?id={key}&export=download&confirm=t",
        f"https://drive.google.com/uc?export=download&id={key}",
    )
    return RemoteFile(name, size, checksum, urls)


_TABLE = (
    KnownData(
        "mnist",
        "MNIST, handwritten digits",
        "60,000 train, 10,000 test, 28x28 grey, 10 classes",
        "none stated by the authors; Keras documents CC BY-SA 3.0",
        "LeCun, Bottou, Bengio and Haffner (1998). Gradient-based learning applied to document recognition."
        " Proceedings of the IEEE 86(11), 2278-2324",
        "http://yann.lecun.com/exdb/mnist/",
        _files(
            (
                "https://storage.googleapis.com/cvdf-datasets/mnist",
                "https://ossci-datasets.s3.amazonaws.com/mnist",
                "http://yann.lecun.com/exdb/mnist",
            ),
            (
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                28_881,
                "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    KnownData(
        "fashion_mnist",
        "Fashion-MNIST, articles of clothing",
        "60,000 train, 10,000 test, 28x28 grey, 10 classes",
        "MIT",
        "Xiao, Rasul and Vollgraf (2017). Fashion-MNIST: a novel image dataset for benchmarking machine"
        " learning algorithms. arXiv:1708.07747",
        "https://github.com/zalandoresearch/fashion-mnist",
        _files(
            (
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            ),
            (
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29_515,
                "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
    KnownData(
        "kmnist",
        "Kuzushiji-MNIST, cursive Japanese characters",
        "60,000 train, 10,000 test, 28x28 grey, 10 classes",
        "CC BY-SA 4.0; attribution: KMNIST Dataset (created by CODH), adapted from Kuzushiji Dataset (created"
        " by NIJL and others), doi:10.20676/00000341",
        "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha (2018). Deep learning for classical Japanese"
        " literature. arXiv:1812.01718",
        "https://github.com/rois-codh/kmnist",
        _files(
            ("http://codh.rois.ac.jp/kmnist/dataset/kmnist",),
            (
                "train-images-idx3-ubyte.gz",
                18_165_135,
                "sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29_497,
                "sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                3_041_136,
                "sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5_120,
                "sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ),
        ),
    ),
    KnownData(
        "binarized_mnist",
        "Binarized MNIST, one fixed draw of binary pixels",
        "50,000 train, 10,000 validation, 10,000 test, 28x28, no labels",
        "none stated by the authors; derived from MNIST",
        "Salakhutdinov and Murray (2008). On the quantitative analysis of deep belief networks. ICML,"
        " 872-879; the files are those of Larochelle and Murray (2011). The neural autoregressive"
        " distribution estimator. AISTATS",
        f"{TORONTO}/",
        _files(
            (TORONTO,),
            (
                "binarized_mnist_train.amat",
                78_400_000,
                "sha256:ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            ),
            (
                "binarized_mnist_valid.amat",
                15_680_000,
                "sha256:1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            ),
            (
                "binarized_mnist_test.amat",
                15_680_000,
                "sha256:e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
            ),
        ),
    ),
    KnownData(
        "omniglot",
        "Omniglot, characters of 50 alphabets",
        "19,280 train (30 alphabets), 13,180 test (20 other alphabets), 105x105 black and white,"
        " 1,623 classes (characters)",
        "MIT",
        LAKE,
        "https://github.com/brendenlake/omniglot",
        _files(
            ("https://github.com/brendenlake/omniglot/raw/master/python",),
            (
                "images_background.zip",
                9_464_212,
                "sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
            ),
            (
                "images_evaluation.zip",
                6_462_886,
                "sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            ),
        ),
    ),
    KnownData(
        "omniglot_28",
        "Omniglot at 28x28, as in the paper on importance weighted autoencoders",
        "24,345 train, 8,070 test, 28x28 grey, 50 classes (alphabets)",
        "none stated for this version; the drawings are under the MIT licence",
        f"{LAKE}; the 28x28 version is that of Burda, Grosse and Salakhutdinov (2016). Importance weighted"
        " autoencoders. ICLR",
        "https://github.com/yburda/iwae",
        _files(
            ("https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT",),
            ("chardata.mat", None, "git:016a3536ffe5e1d38e42563a18d7a78bfaf643ec"),
        ),
    ),
    KnownData(
        "cifar10",
        "CIFAR-10, small photographs (binary version)",
        "50,000 train, 10,000 test, 32x32 colour, 10 classes",
        "none stated by the authors",
        "Krizhevsky (2009). Learning multiple layers of features from tiny images. Technical report,"
        " University of Toronto",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _files(
            ("https://www.cs.toronto.edu/~kriz",),
            (
                "cifar-10-binary.tar.gz",
                170_052_171,
                "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
    KnownData(
        "svhn",
        "Street View House Numbers, cropped digits",
        "73,257 train, 26,032 test, 32x32 colour, 10 classes",
        "for non-commercial use only",
        "Netzer, Wang, Coates, Bissacco, Wu and Ng (2011). Reading digits in natural images with unsupervised"
        " feature learning. NIPS Workshop on Deep Learning and Unsupervised Feature Learning",
        "http://ufldl.stanford.edu/housenumbers/",
        _files(
            ("http://ufldl.stanford.edu/housenumbers",),
            (
                "train_32x32.mat",
                182_040_794,
                "sha256:435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            (
                "test_32x32.mat",
                64_275_384,
                "sha256:cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
        ),
    ),
    KnownData(
        "dsprites",
        "dSprites, one white shape on black, with 5 factors of variation",
        "737,280 train, 64x64 black and white, 3 classes (shapes)",
        "Apache-2.0",
        "Matthey, Higgins, Hassabis and Lerchner (2017). dSprites: Disentanglement testing Sprites dataset."
        " https://github.com/deepmind/dsprites-dataset/",
        "https://github.com/google-deepmind/dsprites-dataset",
        _files(
            (
                "https://github.com/google-deepmind/dsprites-dataset/raw/master",
                "https://github.com/deepmind/dsprites-dataset/raw/master",
            ),
            (
                "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5",
                28_024_106,
                "sha256:729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",
            ),
        ),
    ),
    KnownData(
        "shapes3d",
        "3D Shapes, one object in a room, with 6 factors of variation",
        "480,000 train, 64x64 colour, 4 classes (shapes)",
        "Apache-2.0",
        "Burgess and Kim (2018). 3D Shapes Dataset. https://github.com/deepmind/3dshapes-dataset/",
        "https://github.com/google-deepmind/3d-shapes",
        _files(
            ("https://storage.googleapis.com/3d-shapes",),
            (
                "3dshapes.h5",
                267_573_662,
                "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
            ),
        ),
    ),
    KnownData(
        "celeba",
        "CelebA, aligned faces, cropped to the central 148x148 pixels and resized to 64x64",
        "162,770 train, 19,867 validation, 19,962 test, colour, no labels",
        "for non-commercial research purposes only",
        "Liu, Luo, Wang and Tang (2015). Deep learning face attributes in the wild. ICCV, 3730-3738",
        "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        (
            _drive(
                "img_align_celeba.zip",
                1_443_490_838,
                "sha256:46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
                "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
            ),
            _drive(
                "list_eval_partition.txt",
                2_836_386,
                "sha256:fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
                "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
            ),
        ),
    ),
)
KNOWN = {data.name: data for data in _TABLE}
