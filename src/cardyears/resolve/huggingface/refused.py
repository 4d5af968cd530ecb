"""Which configs are not a decoder's? Adapters, encoders, models of images and sound: each one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from cardyears.base.errors import BadInput, shown
from cardyears.base.text import N_, Text
from cardyears.resolve.huggingface.fields import Json

_ENCODERS = """
albert bert bert-generation big_bird camembert canine convbert data2vec-text deberta deberta-v2 distilbert electra
ernie ernie_m esm eurobert flaubert fnet funnel ibert layoutlm layoutlmv2 layoutlmv3 longformer luke megatron-bert
mobilebert modernbert mpnet mra nezha nomic_bert nystromformer qdqbert rembert roberta roberta-prelayernorm roc_bert
roformer splinter squeezebert tapas xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso
"""
_ENCODER_DECODERS = """
bart bigbird_pegasus blenderbot blenderbot-small encoder-decoder fsmt led longt5 m2m_100 marian mbart mt5 mvp
nllb-moe pegasus pegasus_x plbart prophetnet rag speech-encoder-decoder switch_transformers t5 t5gemma t5gemma2 trocr
udop umt5 vision-encoder-decoder
"""
_VISION = """
align altclip aimv2 beit bit blip blip-2 chinese_clip clip clip_text_model clip_vision_model clipseg
conditional_detr convnext convnextv2 cvt d_fine data2vec-vision deformable_detr deit depth_anything deta detr dinat
dinov2 dinov3_vit donut-swin dpt efficientnet eomt flava focalnet git glpn groupvit hiera ijepa imagegpt levit
mask2former maskformer mobilenet_v1 mobilenet_v2 mobilevit mobilevitv2 nat oneformer owlv2 owlvit perceiver poolformer
pvt pvt_v2 regnet resnet rt_detr sam sam2 segformer seggpt siglip siglip2 siglip_vision_model superpoint swin swin2sr
swinv2 table-transformer timesformer timm_backbone timm_wrapper tvp upernet van videomae vilt vit vit_hybrid vit_mae
vit_msn vitdet vitmatte vitpose vivit x-clip yolos zoedepth
"""
_AUDIO = """
audio-spectrogram-transformer bark clap dac encodec fastspeech2_conformer hubert mimi moonshine musicgen pop2piano
seamless_m4t seamless_m4t_v2 sew sew-d speech_to_text speecht5 unispeech unispeech-sat univnet vits wav2vec2
wav2vec2-bert wav2vec2-conformer wavlm whisper
"""
_OTHER = "autoformer decision_transformer informer patchtst patchtsmixer time_series_transformer timesfm"

KINDS: Mapping[str, str] = {
    name: kind
    for names, kind in (
        (_ENCODERS, N_("an encoder")),
        (_ENCODER_DECODERS, N_("an encoder with a decoder")),
        (_VISION, N_("a model of images")),
        (_AUDIO, N_("a model of sound")),
        (_OTHER, N_("a model of time series")),
        ("mllama mllama_text_model", N_("a decoder with cross-attention to images")),
    )
    for name in names.split()
}
"""What a `model_type` is that this program does not count."""


def refuse(raw: Mapping[str, Json], file: str) -> None:
    """`BadInput` if the config is an adapter's, or of a model that is no decoder."""
    if "peft_type" in raw:
        base = raw.get("base_model_name_or_path")
        raise BadInput(
            Text("{file} is an adapter's config, not a model's.", file=file),
            Text("Name the config of its base model, {base}.", base=shown(base))
            if isinstance(base, str) and base
            else Text("Name the config of its base model."),
        )
    diffusion, kind = raw.get("_class_name"), raw.get("model_type")
    if isinstance(diffusion, str) and kind is None:
        raise _no_decoder(file, diffusion, N_("a part of a diffusion model"))
    if isinstance(kind, str) and kind in KINDS:
        raise _no_decoder(file, kind, KINDS[kind])
    if raw.get("is_encoder_decoder") is True:
        raise _no_decoder(file, str(kind), N_("an encoder with a decoder"))


def _no_decoder(file: str, name: str, kind: str) -> BadInput:
    return BadInput(
        Text(
            "{file} is a config of {name}, {kind:word}; only decoders are counted.",
            file=file,
            name=shown(name),
            kind=kind,
        ),
        Text("Name the config of a decoder."),
    )
