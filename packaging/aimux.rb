# A Homebrew formula, to be filled in at a release: URL and SHA256 are of the source archive.
class Aimux < Formula
  desc "One local address between coding agents and every language model"
  homepage "@HOMEPAGE@"
  url "@URL@"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/aimux.bash" => "aimux"
    zsh_completion.install "completions/_aimux"
    fish_completion.install "completions/aimux.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/aimux --version")
    assert_match "You said: hello", shell_output("#{bin}/aimux route --demo hello")
  end
end
