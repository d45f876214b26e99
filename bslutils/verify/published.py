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
