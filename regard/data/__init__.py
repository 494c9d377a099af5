"""The data of image classification: a word or a folder in, arrays out.

A module imports only from modules to its left:

    tree → storage → images → splits → idx → idx_folder → picture → frame → findings →
    class_folders → folder → distortion → digits → source
"""

from regard.data.digits import digit_sources as digit_sources
from regard.data.digits import digits as digits
from regard.data.idx import read_idx as read_idx
from regard.data.images import Images as Images
from regard.data.images import Split as Split
from regard.data.source import load_images as load_images
