//! What is published of a version: a static binary, an archive, a package for Debian, a container image, and the sums of
//! all files.
//!
//! The same source and toolchain give the same bytes: times are those of the last commit, and paths of the machine are
//! not in the binary. Packages are made with the system's own programs (`dpkg-deb`, GNU tar, gzip, binutils).

mod archive;
mod binary;
mod deb;
mod image;
mod program;
mod release;
mod tree;

use std::fs;
use std::path::PathBuf;

pub use deb::deb;
pub use image::image;
pub use program::Error;
pub use release::Release;

use program::at;

/// Build the files of a release in target/dist: binary, archive, .deb, container image, SHA256SUMS
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Package this binary, instead of building a static one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the files go; what is there is removed
    #[arg(long, value_name = "DIR", default_value = "target/dist")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if args.out.exists() {
        fs::remove_dir_all(&args.out).map_err(at(&args.out))?;
    }
    let built = match &args.binary {
        Some(binary) => binary.clone(),
        None => binary::build()?,
    };
    let release = Release::new(built, args.out.clone())?.stripped()?;
    let linkage = binary::linkage(&release.binary)?;
    if args.binary.is_none() && linkage != binary::Linkage::Static {
        return Err(Error::NotStatic);
    }
    let archive = archive::tar(&release)?;
    let deb = deb(&release)?;
    let image = image(&release)?;
    let sums = archive::sums(&release, &[&release.binary, &archive, &deb])?;
    for file in [&release.binary, &archive, &deb, &sums] {
        println!("{}", file.display());
    }
    match image::build(&image, &release.version)? {
        Some((builder, name)) => println!("{name} (image, in the storage of {builder})"),
        None => println!("{} (context of the image; no builder is at hand)", image.display()),
    }
    Ok(())
}
