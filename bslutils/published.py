"""Figures that others published, as inputs of claims."""

# Test results at 64 dimensions in the training logs that the authors of BSL published (November
# 2023): (data, backbone) -> (Recall@20, NDCG@20) of SL, and of BSL. On all but Amazon the test
# split chose the epoch.
OFFICIAL_LOGS = {
    ("amazon", "LightGCN"): ((0.05194, 0.02485), (0.05212, 0.02491)),
    ("amazon", "MF"): ((0.04417, 0.01916), (0.04729, 0.02162)),
    ("gowalla", "LightGCN"): ((0.1874, 0.1571), (0.1892, 0.159)),
    ("gowalla", "MF"): ((0.1759, 0.1395), (0.1882, 0.1584)),
    ("ml", "LightGCN"): ((0.2752, 0.2551), (0.279, 0.2605)),
    ("ml", "MF"): ((0.2809, 0.2662), (0.2804, 0.2681)),
    ("yelp2018", "LightGCN"): ((0.07364, 0.06116), (0.07444, 0.06171)),
    ("yelp2018", "MF"): ((0.07212, 0.05918), (0.07245, 0.0599)),
}

# Mean Recall@20 in the last 51 epochs of these logs, those after the best one, where the test split
# chose that: the same training without the choice. (data, backbone) -> of SL, and of BSL.
AFTER_BEST = {
    ("gowalla", "LightGCN"): (0.18707, 0.18886),
    ("gowalla", "MF"): (0.17491, 0.1874),
    ("ml", "LightGCN"): (0.27357, 0.27798),
    ("ml", "MF"): (0.27951, 0.27939),
    ("yelp2018", "LightGCN"): (0.07348, 0.07431),
    ("yelp2018", "MF"): (0.07172, 0.07203),
}

# Recall@20 on Yelp2018 in Figure 1 of Wu et al. (BSL), ICDE 2024, read off the height of the bars
# (to about 0.00002); the test split chose the epoch. Backbone -> loss -> value.
FIGURE_1 = {
    "MF": {"bpr": 0.0549, "mse": 0.0415, "bce": 0.0513, "softmax": 0.0718},
    "LightGCN": {"bpr": 0.0649, "mse": 0.0463, "bce": 0.0557, "softmax": 0.0736},
}

# The best of all published results at 64 dimensions on the splits of LightGCN, whatever the
# model: data -> who, and (Recall@20, NDCG@20).
BEST = {
    "yelp2018": ("LightGCN with BSL, the authors' log", (0.0744, 0.0617)),
    "gowalla": ("BSPM-EM, in the list of NESCL (Sun et al., TKDE 2023)", (0.1920, 0.1597)),
}

# Matrix factorisation by length of vector, in the authors' notebook (November 2023): the best by
# test NDCG@20 over settings of unknown number. (data, loss) -> length -> (Recall@20, NDCG@20).
DIMENSIONS = {
    ("yelp2018", "SL"): {
        128: (0.07335, 0.06025),
        256: (0.0742, 0.06121),
        512: (0.07427, 0.06118),
    },
    ("yelp2018", "BSL"): {
        128: (0.07391, 0.06116),
        256: (0.07452, 0.06167),
        512: (0.07452, 0.06169),
    },
    ("gowalla", "SL"): {128: (0.1833, 0.1471), 256: (0.1863, 0.1503), 512: (0.1869, 0.1509)},
    ("gowalla", "BSL"): {128: (0.1918, 0.161), 256: (0.194, 0.162), 512: (0.1949, 0.1632)},
    ("ml-1m", "SL"): {128: (0.2831, 0.2693), 256: (0.2825, 0.2686), 512: (0.2819, 0.2683)},
    ("ml-1m", "BSL"): {128: (0.2819, 0.2702), 256: (0.2829, 0.2706), 512: (0.2826, 0.2706)},
}

# SL and "BSL" in the tables of two later papers: Yang et al. (PSL), NeurIPS 2024, Tables 1, 2,
# B.2 and B.3, and Yang et al. (SL@K), KDD 2025, Tables 2 and 11. (data, backbone) -> learning
# rate of SL and of BSL, tau_pos / tau_neg of BSL, Recall@20 and NDCG@20 of SL, and of BSL. In
# every row the tuned tau of SL is tau_neg. "shifted" is PSL's test on popularity-shifted data.
FOLLOW_UPS = {
    ("Amazon-Book", "MF"): (0.1, 0.1, 10.0, (0.1559, 0.1210), (0.1563, 0.1212)),
    ("Amazon-Electronic", "MF"): (0.01, 0.1, 2.5, (0.0821, 0.0529), (0.0834, 0.0530)),
    ("Amazon-Movie", "MF"): (0.1, 0.01, 5.0, (0.1286, 0.0929), (0.1288, 0.0931)),
    ("Gowalla", "MF"): (0.1, 0.1, 2.0, (0.2064, 0.1624), (0.2071, 0.1630)),
    ("Amazon-Health", "MF"): (0.1, 0.1, 1.0, (0.1719, 0.1261), (0.1719, 0.1261)),
    ("Amazon-CD, shifted", "MF"): (0.1, 0.1, 1.0, (0.1184, 0.0815), (0.1184, 0.0815)),
    ("Amazon-Electronic, shifted", "MF"): (0.1, 0.1, 2.0, (0.0230, 0.0142), (0.0231, 0.0142)),
    ("Gowalla, shifted", "MF"): (0.1, 0.1, 10.0, (0.1006, 0.0737), (0.1006, 0.0738)),
    ("Yelp2018, shifted", "MF"): (0.1, 0.1, 2.0, (0.0349, 0.0224), (0.0351, 0.0225)),
    ("Amazon-Book", "LightGCN"): (0.1, 0.1, 10.0, (0.1567, 0.1220), (0.1568, 0.1220)),
    ("Amazon-Electronic", "LightGCN"): (0.01, 0.01, 1.0, (0.0823, 0.0526), (0.0823, 0.0526)),
    ("Amazon-Movie", "LightGCN"): (0.1, 0.1, 0.5, (0.1304, 0.0941), (0.1306, 0.0943)),
    ("Gowalla", "LightGCN"): (0.1, 0.1, 0.5, (0.2068, 0.1628), (0.2069, 0.1628)),
    ("Amazon-Health", "LightGCN"): (0.1, 0.1, 0.25, (0.1691, 0.1235), (0.1691, 0.1236)),
    ("Amazon-Book", "XSimGCL"): (0.1, 0.1, 1.0, (0.1549, 0.1207), (0.1550, 0.1207)),
    ("Amazon-Electronic", "XSimGCL"): (0.01, 0.1, 0.5, (0.0772, 0.0490), (0.0800, 0.0507)),
    ("Amazon-Movie", "XSimGCL"): (0.01, 0.1, 0.5, (0.1255, 0.0905), (0.1267, 0.0918)),
    ("Gowalla", "XSimGCL"): (0.01, 0.1, 0.5, (0.2005, 0.1570), (0.2037, 0.1597)),
    ("Amazon-Health", "XSimGCL"): (0.1, 0.1, 0.25, (0.1534, 0.1113), (0.1649, 0.1201)),
}

# Test results on Amazon-Electronics with matrix factorisation at 64 dimensions, 200 epochs, 1,000
# uniform negatives, learning rate, L2 term and temperatures tuned: Yang et al. (PSL), NeurIPS
# 2024, Table 1, and for SL@20 Yang et al. (SL@K), KDD 2025, Table 2, on the same split. Name in
# ``losses.LOSSES`` -> (Recall@20, NDCG@20). What the tables call BSL is the rescaled loss.
FIELD = {
    "bpr": (0.0816, 0.0527),
    "llpauc": (0.0821, 0.0499),
    "softmax": (0.0821, 0.0529),
    "advinfonce": (0.0829, 0.0527),
    "rescaled_softmax": (0.0834, 0.0530),
    "psl_tanh": (0.0832, 0.0535),
    "psl_atan": (0.0832, 0.0535),
    "psl_relu": (0.0838, 0.0541),
    "slatk": (0.0901, 0.0590),
}

# Test results on popularity-shifted splits with matrix factorisation: PSL, Table 2, whose settings
# the shifted test chose ("we do not introduce the validation set"). Data -> name in
# ``losses.LOSSES`` -> (Recall@20, NDCG@20).
SHIFTED = {
    "Amazon-Electronic": {
        "bpr": (0.0132, 0.0069),
        "llpauc": (0.0225, 0.0134),
        "softmax": (0.0230, 0.0142),
        "advinfonce": (0.0228, 0.0139),
        "rescaled_softmax": (0.0231, 0.0142),
        "psl_tanh": (0.0239, 0.0146),
        "psl_atan": (0.0239, 0.0146),
        "psl_relu": (0.0241, 0.0149),
    },
    "Gowalla": {
        "bpr": (0.0382, 0.0273),
        "llpauc": (0.0729, 0.0522),
        "softmax": (0.1006, 0.0737),
        "advinfonce": (0.0927, 0.0676),
        "rescaled_softmax": (0.1006, 0.0738),
        "psl_tanh": (0.1013, 0.0748),
        "psl_atan": (0.1013, 0.0748),
        "psl_relu": (0.1014, 0.0752),
    },
}

# Recall@20 of BPR with matrix factorisation in Table 1 of Yang et al. (PSL), NeurIPS 2024; that of
# SL is in FOLLOW_UPS.
PSL_BPR = {
    "Amazon-Electronic": 0.0816,
    "Amazon-Movie": 0.0916,
    "Gowalla": 0.1355,
    "Amazon-Book": 0.0665,
}

# What needs no loss on the splits of LightGCN: the list of BARS (reczoo/BARS, November 2024), which
# ran all but GF-CF, whose figures are those of Shen et al., CIKM 2021; test chose the settings.
# Its ItemKNN is a mean over the neighbours of the candidate, by Pearson's correlation, around the
# means of the items; fitted so, with its 150 neighbours, 0.0639 and 0.0531 come out here, too.
# Data -> name in ``baselines.BASELINES`` -> (Recall@20, NDCG@20).
WITHOUT_LOSS = {
    "yelp2018": {
        "item_knn": (0.0639, 0.0531),
        "ease": (0.0657, 0.0552),
        "gf_cf": (0.0697, 0.0571),
    },
    "gowalla": {
        "item_knn": (0.1570, 0.1214),
        "ease": (0.1765, 0.1467),
        "gf_cf": (0.1849, 0.1518),
    },
}

# Other methods of the same list that have no run here: SLIM, without a loss over pairs, and three
# trained models, of which MF-CCL and SimpleX (Mao et al., CIKM 2021) are trained with CCL. Method
# -> data -> (Recall@20, NDCG@20).
LISTED = {
    "SLIM": {"yelp2018": (0.0646, 0.0541), "gowalla": (0.1699, 0.1382)},
    "UltraGCN": {"yelp2018": (0.0683, 0.0561), "gowalla": (0.1862, 0.1580)},
    "MF-CCL": {"yelp2018": (0.0698, 0.0572), "gowalla": (0.1837, 0.1493)},
    "SimpleX": {"yelp2018": (0.0701, 0.0575), "gowalla": (0.1872, 0.1557)},
}

# Settings that were published for matrix factorisation: loss -> data -> parameters as this
# package has them. PSL's scores are half a cosine: its temperatures (Table B.2) are doubled here.
# SL@K: Tables 12 and 13, which agree with PSL's in all shared entries. LLPAUC's shares are of
# lists that pool the users of a batch. The weighted losses: the training logs of BSL.
SETTINGS = {
    "softmax": {"Electronics": {"tau": 0.2}, "Gowalla": {"tau": 0.1}},
    "rescaled_softmax": {
        "Electronics": {"tau_pos": 0.5, "tau_neg": 0.2},
        "Gowalla": {"tau_pos": 0.2, "tau_neg": 0.1},
    },
    "reweighted_softmax": {"Amazon": {"tau": 0.14, "neg_weight": 1.32}},
    "pooled_softmax": {
        "Yelp2018": {"tau": 0.11, "neg_weight": 1.1},
        "MovieLens-1M": {"tau": 0.17, "neg_weight": 1.06},
    },
    "psl_tanh": {"Electronics": {"tau": 0.2}, "Gowalla": {"tau": 0.1}},
    "psl_atan": {"Electronics": {"tau": 0.2}, "Gowalla": {"tau": 0.1}},
    "psl_relu": {"Electronics": {"tau": 0.2}, "Gowalla": {"tau": 0.1}},
    "slatk": {
        "Electronics": {"tau": 0.2, "tau_weight": 2.25},
        "Gowalla": {"tau": 0.1, "tau_weight": 1.0},
    },
    "llpauc": {
        "Electronics": {"alpha": 0.5, "beta": 0.01},
        "Gowalla": {"alpha": 0.7, "beta": 0.01},
    },
    "advinfonce": {"Electronics": {"tau": 0.2}, "Gowalla": {"tau": 0.1}},
}
