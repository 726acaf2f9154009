"""Write sentences of four licenses into `data/raw/sentences.csv`, and a transformer into `data/external/pretrained`.

The sentences are real, and every Debian system has them. The transformer is tiny and only stands for one that you
have: its tokenizer is made from the sentences, and its weights are random.
"""

import csv
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

LICENSES = ("Apache-2.0", "GFDL-1.3", "GPL-3", "MPL-2.0")
FOLDER, FILE = Path("/usr/share/common-licenses"), Path("data/raw/sentences.csv")
PRETRAINED = Path("data/external/pretrained")
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}

rows = []
for name in LICENSES:
    text = " ".join((FOLDER / name).read_text(encoding="utf-8").split())
    rows += [(sentence, name) for sentence in re.split(r"(?<=[.;:]) ", text) if len(sentence.split()) > 5]
with FILE.open("w", newline="", encoding="utf-8") as stream:
    csv.writer(stream).writerows([("text", "label"), *rows])

tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
trainer = trainers.WordPieceTrainer(vocab_size=1000, special_tokens=list(SPECIAL.values()))
tokenizer.train_from_iterator((text for text, _ in rows), trainer)
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
)
PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL).save_pretrained(PRETRAINED)
torch.manual_seed(0)
config = DistilBertConfig(
    vocab_size=tokenizer.get_vocab_size(), dim=64, n_layers=2, n_heads=4, hidden_dim=128, max_position_embeddings=64
)
DistilBertModel(config).save_pretrained(PRETRAINED)
print(f"{len(rows)} sentences in {FILE}, and a transformer in {PRETRAINED}")
