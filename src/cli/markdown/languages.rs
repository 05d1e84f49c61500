//! What the lexer knows of each language: its names, comments, strings and keywords.

/// A language, or several that look alike.
#[derive(Debug)]
pub(super) struct Language {
    /// What fences call it, in lower case.
    names: &'static [&'static str],
    /// What begins a comment up to the line's end.
    pub(super) comments: &'static [&'static str],
    pub(super) blocks: &'static [(&'static str, &'static str)],
    /// Strings that may go on over lines.
    pub(super) long_strings: &'static [(&'static str, &'static str)],
    /// Quotes of strings that end on their line.
    pub(super) quotes: &'static str,
    /// Separated by spaces.
    pub(super) keywords: &'static str,
    pub(super) ignores_case: bool,
    pub(super) is_shell: bool,
    /// Its lines are keys and values.
    pub(super) has_keys: bool,
}

pub(super) fn language(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.names.contains(&name))
}

/// Comments, strings and blocks as C has them.
const C_LIKE: Language = Language {
    names: &[],
    comments: &["//"],
    blocks: &[("/*", "*/")],
    long_strings: &[],
    quotes: "\"'",
    keywords: "",
    ignores_case: false,
    is_shell: false,
    has_keys: false,
};

const HASH_LIKE: Language = Language { comments: &["#"], blocks: &[], ..C_LIKE };

static LANGUAGES: [Language; 25] = [
    Language {
        names: &["rust", "rs"],
        quotes: "\"",
        long_strings: &[("r#\"", "\"#")],
        keywords: "\
            as async await break const continue crate dyn else enum extern false fn for if impl in let loop \
            match mod move mut pub ref return self Self static struct super trait true type unsafe use where \
            while",
        ..C_LIKE
    },
    Language {
        names: &["python", "py", "python3", "pycon"],
        long_strings: &[("\"\"\"", "\"\"\""), ("'''", "'''")],
        keywords: "\
            and as assert async await break case class continue def del elif else except False finally for from \
            global if import in is lambda match None nonlocal not or pass raise return self True try while with \
            yield",
        ..HASH_LIKE
    },
    Language {
        names: &["javascript", "js", "jsx", "mjs", "typescript", "ts", "tsx", "node"],
        long_strings: &[("`", "`")],
        keywords: "\
            any as async await boolean break case catch class const continue default delete do else enum export \
            extends false finally for from function if implements import in instanceof interface let new null \
            number of private public readonly return static string super switch this throw true try type typeof \
            undefined var void while yield",
        ..C_LIKE
    },
    Language {
        names: &["go", "golang"],
        long_strings: &[("`", "`")],
        keywords: "\
            any bool break byte case chan const continue default defer else error fallthrough false for func go \
            goto if import int interface map nil package range return select string struct switch true type var",
        ..C_LIKE
    },
    Language {
        names: &["c", "h", "cpp", "c++", "cc", "hpp", "cxx", "objc"],
        keywords: "\
            #define #endif #if #ifdef #ifndef #include auto bool break case catch char class const constexpr \
            continue default delete do double else enum extern false float for goto if inline int long namespace \
            new noexcept NULL nullptr override private protected public return short signed sizeof static struct \
            switch template this throw true try typedef typename union unsigned using virtual void volatile \
            while",
        ..C_LIKE
    },
    Language {
        names: &["java", "kotlin", "kt", "kts", "scala", "groovy"],
        long_strings: &[("\"\"\"", "\"\"\"")],
        keywords: "\
            abstract boolean break case catch class continue data def default do double else enum extends false \
            final finally float for fun if implements import in instanceof int interface is lateinit long new \
            null object override package private protected public record return sealed static String super \
            suspend switch this throw throws trait true try val var void when while yield",
        ..C_LIKE
    },
    Language {
        names: &["csharp", "cs", "c#", "dotnet"],
        keywords: "\
            abstract as async await base bool break case catch class const continue decimal default do double \
            else enum false finally float for foreach get if in int interface internal is long namespace new \
            null object out override private protected public readonly record ref return sealed set static \
            string struct switch this throw true try using var virtual void while yield",
        ..C_LIKE
    },
    Language {
        names: &["swift", "dart", "zig"],
        long_strings: &[("\"\"\"", "\"\"\"")],
        keywords: "\
            async await break case catch class comptime const continue default defer do else enum extension \
            extends false final fn for func guard if import in init let nil null private protocol pub public \
            return self static struct super switch this throw throws true try var void where while",
        ..C_LIKE
    },
    Language {
        names: &["bash", "sh", "shell", "zsh", "fish", "ksh"],
        keywords: "\
            break case cd continue do done echo elif else esac eval exec exit export false fi for function if in \
            local read readonly return set shift source sudo then trap true unset until while",
        is_shell: true,
        ..HASH_LIKE
    },
    Language {
        names: &["powershell", "ps1", "pwsh"],
        blocks: &[("<#", "#>")],
        keywords: "\
            begin break catch continue do else elseif end exit finally for foreach function if in param process \
            return switch throw try until while",
        ignores_case: true,
        ..HASH_LIKE
    },
    Language {
        names: &["sql", "postgresql", "postgres", "mysql", "sqlite", "plsql", "tsql"],
        comments: &["--"],
        keywords: "\
            add all alter and as asc begin between by case cascade check column commit constraint create cross \
            database default delete desc distinct drop else end except exists false foreign from full group \
            having if in index inner insert integer into is join key left like limit not null offset on or order \
            outer over partition primary references returning right rollback select set table text then true \
            union unique update using values varchar view when where with",
        ignores_case: true,
        ..C_LIKE
    },
    Language { names: &["json", "jsonl", "ndjson"], comments: &[], blocks: &[], keywords: "true false null", ..C_LIKE },
    Language { names: &["json5", "jsonc"], keywords: "true false null", ..C_LIKE },
    Language { names: &["yaml", "yml"], keywords: "true false null yes no", has_keys: true, is_shell: true, ..HASH_LIKE },
    Language {
        names: &["toml", "ini", "cfg", "conf", "properties", "dotenv", "env"],
        comments: &["#", ";"],
        long_strings: &[("\"\"\"", "\"\"\"")],
        keywords: "true false",
        has_keys: true,
        ..HASH_LIKE
    },
    Language {
        names: &["ruby", "rb"],
        keywords: "\
            alias and begin break case class def do else elsif end ensure false for if in module next nil not or \
            raise redo require rescue return self super then true unless until when while yield",
        ..HASH_LIKE
    },
    Language {
        names: &["php"],
        comments: &["//", "#"],
        keywords: "\
            abstract array as break case catch class const continue default do echo else elseif extends false \
            final fn for foreach function if implements interface match namespace new null private protected \
            public readonly return static switch this throw trait true try use var while",
        ..C_LIKE
    },
    Language {
        names: &["html", "xml", "svg", "vue", "svelte", "xhtml"],
        comments: &[],
        blocks: &[("<!--", "-->")],
        quotes: "\"",
        ..C_LIKE
    },
    Language { names: &["css", "scss", "less", "sass"], comments: &["// "], keywords: "@import @media important", ..C_LIKE },
    Language {
        names: &["dockerfile", "docker", "containerfile"],
        keywords: "ADD ARG AS CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN SHELL USER VOLUME WORKDIR",
        is_shell: true,
        ..HASH_LIKE
    },
    Language {
        names: &["makefile", "make", "cmake", "nix", "hcl", "terraform", "tf", "nginx"],
        quotes: "\"",
        keywords: "\
            else endif export false if ifeq ifdef in include inherit let module null output provider rec \
            resource set then true variable with",
        is_shell: true,
        ..HASH_LIKE
    },
    Language {
        names: &["lua"],
        comments: &["--"],
        blocks: &[("--[[", "]]")],
        long_strings: &[("[[", "]]")],
        keywords: "\
            and break do else elseif end false for function if in local nil not or repeat return then true until \
            while",
        ..C_LIKE
    },
    Language {
        names: &["haskell", "hs", "elm", "purescript"],
        comments: &["--"],
        blocks: &[("{-", "-}")],
        quotes: "\"",
        keywords: "case class data deriving do else if import in instance let module newtype of then type where",
        ..C_LIKE
    },
    Language {
        names: &["elixir", "ex", "exs", "r", "julia", "jl", "perl", "pl"],
        long_strings: &[("\"\"\"", "\"\"\"")],
        keywords: "\
            alias begin case cond def defmodule defp do else elsif end false FALSE fn for foreach function if \
            import in let library module my nil NULL our return struct sub true TRUE try use using when while \
            with",
        ..HASH_LIKE
    },
    Language {
        names: &["proto", "protobuf", "graphql", "gql", "solidity", "sol"],
        comments: &["//", "#"],
        keywords: "\
            bool contract enum event false function import input int32 int64 interface mapping message mutation \
            option package public query repeated required returns rpc scalar service string syntax true type \
            uint256 union",
        ..C_LIKE
    },
];
