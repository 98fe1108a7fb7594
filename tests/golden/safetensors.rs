// Writes the files in tests/golden/safetensors by the official package, to the folder that it is
// given. They were made by the crate safetensors 0.8.0-dev.0 (commit 24b0b28 of
// https://github.com/huggingface/safetensors), as src/bin/fixtures.rs of that crate:
//
//     cargo run --release --bin fixtures -- tests/golden/safetensors
//
// tests/io/test_safetensors.c has the same tensors.
use safetensors::tensor::{serialize_to_file, Dtype, TensorView};
use std::collections::HashMap;

type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn i64s(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn write(folder: &str, name: &str, tensors: Vec<Tensor>, texts: &[(&str, &str)]) {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        })
        .collect();
    let texts: HashMap<String, String> =
        texts.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let texts = if texts.is_empty() { None } else { Some(texts) };
    let path = format!("{folder}/{name}.safetensors");
    serialize_to_file(views, texts.into(), path.as_ref()).unwrap();
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    // The dtypes of the library, in an order that the writer must change; an empty tensor, scalars.
    write(
        &folder,
        "dtypes",
        vec![
            ("mask", Dtype::BOOL, vec![3], vec![1, 0, 1]),
            ("layer.weight", Dtype::F32, vec![2, 3], f32s(&[1.0, -2.5, 1e-45, -0.0, f32::INFINITY, 3.4e38])),
            ("layer.bias", Dtype::F64, vec![2], f64s(&[0.1, -1e300])),
            ("steps", Dtype::I64, vec![], i64s(&[i64::MIN])),
            ("none", Dtype::F32, vec![0, 4], vec![]),
            ("Z", Dtype::F32, vec![], f32s(&[7.0])),
            ("größe \"a\\b\"/🙂", Dtype::I64, vec![1, 2], i64s(&[-1, i64::MAX])),
        ],
        &[("title", "two lines\nand a \"tab\":\t\u{1}\u{7f}, größer 🙂 / \\")],
    );
    // The types that the library converts to and from.
    write(
        &folder,
        "converted",
        vec![
            ("f16", Dtype::F16, vec![4], u16s(&[0x3c00, 0xc100, 0x0001, 0x7bff])),
            ("u8", Dtype::U8, vec![2], vec![0, 255]),
            ("i8", Dtype::I8, vec![2], vec![0x80, 127]),
            ("u16", Dtype::U16, vec![2], u16s(&[0, 65535])),
            ("i16", Dtype::I16, vec![2], u16s(&[0x8000, 0x7fff])),
            ("u32", Dtype::U32, vec![1], vec![255, 255, 255, 255]),
            ("i32", Dtype::I32, vec![1], vec![0, 0, 0, 0x80]),
            ("u64", Dtype::U64, vec![1], i64s(&[i64::MAX])),
            ("bf16", Dtype::BF16, vec![3], u16s(&[0x3f80, 0xc020, 0x7f7f])),
        ],
        &[("format", "pt")],
    );
    // What tg_save_safetensors writes of float32 and int64 tensors as bfloat16 and as uint8.
    write(
        &folder,
        "narrowed",
        vec![
            ("weight", Dtype::BF16, vec![2, 2], u16s(&[0x3f80, 0xc020, 0x0000, 0x3e80])),
            ("pixels", Dtype::U8, vec![3], vec![0, 128, 255]),
            ("mask", Dtype::BOOL, vec![1], vec![1]),
        ],
        &[],
    );
    write(&folder, "nothing", vec![], &[]);
    write(&folder, "only_texts", vec![], &[("key", "value")]);
    write(&folder, "float8", vec![("w", Dtype::F8_E4M3, vec![2], vec![1, 2])], &[]);
}
