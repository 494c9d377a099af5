"""One look at a model: the page, the files, and folders of transformers."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from regard import RegardError, see
from regard.networks import SmallResNet
from regard.seeing import cross_relevance, look, picture_subject
from regard.seeing.canvas import brightest
from regard.seeing.files import save_figures
from regard.seeing.folders import folder_subject, is_folder
from regard.seeing.hosts import Host, host_subject
from regard.seeing.targets import by_token

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "<script>"]


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Noise of 24×24 pixels."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(path := tmp_path_factory.mktemp("photo") / "photo.png")
    return path


@pytest.fixture(scope="module")
def report(photo):
    return look(
        host_subject(Host("small", size=24, classes=3, mechanism="cbam@layer*.0.bn2"), str(photo))
    )


def test_the_page_has_pictures_tests_gates_and_the_table(report, tmp_path):
    text = report.write_html(tmp_path / "see.html").read_text(encoding="utf-8")
    for title in ("The input", "Grad-CAM", "Channel gates", "Spatial gates", "All maps"):
        assert f"{title}</h2>" in text
    assert report.sanity["Grad-CAM"].sentence().split(":")[0] in text
    assert "parameters shuffled" in text
    assert len(text) < 1_000_000


def test_what_does_not_fit_is_told(report):
    assert set(report.refused) >= {"attention rollout", "gradient × attention"}
    assert "none were seen" in report.table()


def test_the_same_look_gives_the_same_report(report, photo):
    again = look(
        host_subject(Host("small", size=24, classes=3, mechanism="cbam@layer*.0.bn2"), str(photo))
    )
    assert again.json() == report.json()
    assert json.loads(report.json())["heats"]["Grad-CAM"]["sentence"]


def test_figures_and_arrays_are_files(report, tmp_path):
    files = {path.name for path in save_figures(report, tmp_path / "figures")}
    assert files == {
        "Grad-CAM.png", "Grad-CAM-curves.svg", "heats.safetensors", "maps.safetensors",
    }  # fmt: skip
    heats = load_file(tmp_path / "figures" / "heats.safetensors")
    assert torch.equal(heats["Grad-CAM"], report.heats["Grad-CAM"].values)
    drawn = (tmp_path / "figures" / "Grad-CAM-curves.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert "<style>" in drawn


def test_weights_of_a_file_are_loaded_or_refused(photo, tmp_path):
    torch.manual_seed(3)
    state = SmallResNet(3, 3).state_dict()
    save_file(state, path := tmp_path / "weights.safetensors")
    subject = host_subject(Host("small", size=24, classes=3, weights=str(path)), str(photo))
    assert subject.name == "small (weights.safetensors)"
    assert all(torch.equal(v, state[k]) for k, v in subject.model.state_dict().items())
    with pytest.raises(RegardError, match="gives no weights for SmallResNet"):
        host_subject(Host("small", size=24, classes=4, weights=str(path)), str(photo))


def test_a_vision_transformer_shows_its_heads_over_the_picture(photo):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=24, patch_size=8, depth=2, embed_dim=24, num_heads=3,
        num_classes=3,
    )  # fmt: skip
    nn.init.normal_(model.head.weight)
    found = look(picture_subject(model, "vit", photo, 24), test=False)
    assert set(found.heats) == {
        "Grad-CAM", "gradient × attention", "attention rollout", "attention of the last layer",
    }  # fmt: skip
    text = found.page().html()
    assert "Heads of blocks.1.attn" in text
    assert all(name in text for name in ("mean", "maximum", "head 2"))


class Folded(nn.Module):
    """Windows of running sums, which are no places."""

    def forward(self, x):
        x = x[:, :, ::4, ::4]
        x = x.unflatten(3, (2, 3)).unflatten(2, (2, 3)).permute(0, 2, 4, 3, 5, 1)
        x = x.reshape(4, 9, 3).cumsum(1)
        return nn.functional.scaled_dot_product_attention(x, x, x).mean((0, 1))[None]


def swin():
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    return torchvision.models.SwinTransformer(
        [4, 4], 8, [2, 1], [2, 2], [3, 3], num_classes=3
    )  # fmt: skip


def test_windows_lie_on_the_picture_where_they_were_cut(photo):
    found = look(picture_subject(swin(), "swin", photo, 48), test=False)
    assert set(found.heats) == {"Grad-CAM"}
    assert "[4, …, 9, 9]" in found.refused["attention rollout"]  # four windows at last
    text = found.page().html()
    assert "What one place looks at" in text
    assert "9 keys for each query, on a map of 12×12 places, a cyclic shift undone" in text
    assert "From row 6, column 6" in text  # of 12
    assert "From row 3, column 3" in text  # of 6
    assert "From all places" in text


def test_windows_that_cannot_be_followed_are_shown_as_a_matrix_and_it_is_told(photo):
    found = look(picture_subject(Folded(), "folded", photo, 24), test=False)
    assert "no parameters" in found.refused["gradient × attention"]
    text = found.page().html()
    assert "Of the first of 4 windows, as a plain matrix" in text
    assert "What one place looks at" not in text


def test_what_is_asked_for_must_be_there(photo, tmp_path):
    with pytest.raises(RegardError, match="there are 3 classes"):
        host_subject(Host("small", size=24, classes=3), str(photo), target=3)
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(RegardError, match="gives no image"):
        host_subject(Host("small", size=24), str(tmp_path / "no.png"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """BERT, GPT-2 and T5 with random weights and a vocabulary of ten words."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    size = {"vocab_size": len(WORDS)}
    bert = transformers.BertConfig(
        **size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    gpt2 = transformers.GPT2Config(
        **size, n_embd=16, n_layer=2, n_head=2, bos_token_id=2, eos_token_id=3
    )
    t5 = transformers.T5Config(
        **size, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    made = {
        "bert": transformers.BertForSequenceClassification(bert),
        "gpt2": transformers.GPT2LMHeadModel(gpt2),
        "t5": transformers.T5ForConditionalGeneration(t5),
    }
    vocabulary = {word: k for k, word in enumerate(WORDS)}
    for name, model in made.items():
        model.save_pretrained(root / name)
        plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
        plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=plain, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
        ).save_pretrained(root / name)
    return root


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_texts_are_escaped_and_explained_by_token(folders, name):
    assert is_folder(str(folders / name))
    subject = folder_subject(str(folders / name), text="the cat <script> sat")
    assert subject.scene.tokens == ("the", "cat", "<script>", "sat")
    assert subject.blank == WORDS.index("[MASK]")
    found = look(subject)
    assert set(found.heats) == set(found.sanity) == {
        "gradient × attention", "attention rollout", "attention of the last layer",
    }  # fmt: skip
    reader = {"bert": 0, "gpt2": 3}[name]
    for heat in found.heats.values():
        assert heat.values[0].isnan().nonzero().flatten().tolist() == [reader]
    text = found.page().html()
    assert "&lt;script&gt;" in text
    assert text.count("<script>") == 1  # the page's own
    assert "Each head with the tokens beside it" in text


def test_a_token_that_sees_only_itself_does_not_leave_the_others_dark():
    causal = np.tril(np.ones((20, 20)))
    causal /= causal.sum(1, keepdims=True)
    assert 1 / 20 < brightest(causal) < 1 / 2
    assert brightest(np.eye(20)) == brightest(np.zeros((2, 2))) == 1


def test_a_translation_shows_its_alignments_beside_their_tests(folders):
    found = look(folder_subject(str(folders / "t5"), text="the cat sat on"))
    assert found.subject.scene.written[0] == "[PAD]"
    assert "all that it wrote" in found.subject.answer
    assert set(found.alignments) == {"attention", "rollout", "gradient × attention"}
    wanted = (len(found.subject.spoken) - 1, 4)
    assert all(one.values.shape == wanted for one in found.alignments.values())
    judged = {one.judged for one in found.alignments.values()}
    assert set(found.heats) == set(found.sanity) == judged
    for name in ("attention of the last layer", "attention rollout"):
        (rows,) = (one.values for one in found.alignments.values() if one.judged == name)
        torch.testing.assert_close(found.heats[name].values[0], rows.mean(0))
    text = found.page().html()
    assert "Alignment</h2>" in text
    assert text.count("over all that was written") == 3


def test_each_row_of_an_alignment_by_gradient_is_about_its_own_token(folders):
    """Against one backward for each token alone."""
    subject = folder_subject(str(folders / "t5"), text="the cat sat on")
    rows = look(subject, test=False).alignments["gradient × attention"].values
    for k, row in enumerate(rows):
        with see(subject.model, gradients=True) as maps:
            by_token(subject.model(**subject.x), subject.spoken)[0, k].backward()
        torch.testing.assert_close(row, cross_relevance(maps)[0, k])


def test_a_token_of_the_answer_may_be_explained_instead(folders):
    subject = folder_subject(str(folders / "t5"), text="the cat", target=6)
    assert "'cat'" in subject.answer
    assert look(subject, test=False).heats["attention rollout"].values.shape == (1, 2)


def test_a_folder_without_weights_has_random_ones_and_says_so(folders, tmp_path):
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((folders / "bert" / file).read_bytes())
    subject = folder_subject(str(tmp_path), text="the cat")
    assert "(random weights)" in subject.name


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("pytorch_model.bin", "only .safetensors are read"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_folder_that_lacks_something_says_what(folders, tmp_path, file, words):
    (tmp_path / "config.json").write_bytes((folders / "bert" / "config.json").read_bytes())
    if file.endswith(".bin"):
        (tmp_path / file).write_bytes(b"\x80")
    with pytest.raises(RegardError, match=words):
        folder_subject(str(tmp_path), text="the cat")


def test_a_text_of_one_token_has_nothing_to_compare(folders):
    found = look(folder_subject(str(folders / "bert"), text="cat"))
    assert found.heats == {}
    assert "a single one has no other" in found.table()


def test_a_model_that_takes_no_picture_says_what_came(photo):
    with pytest.raises(RegardError, match=r"words does not run on an input \[1, 3, 8, 8\]"):
        picture_subject(nn.Sequential(nn.Embedding(5, 2)), "words", photo, 8)
