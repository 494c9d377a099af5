"""The data of the tasks: images here, text in ``text``.

Order: tree, storage, images, splits, idx, picture, findings, frame, idx_folder, class_folders,
folder, distortion, handwritten, source.
"""

from .handwritten import digit_sources as digit_sources
from .handwritten import digits as digits
from .idx import read_idx as read_idx
from .images import Images as Images
from .images import Split as Split
from .source import load_images as load_images
