//! The examples of the documents, run as they stand there. `TRYCMD=overwrite cargo test -p kraud-demo --test docs`
//! writes what the commands print now; look at the difference before it is kept.

#[test]
fn the_examples_of_the_documents_print_what_they_show() {
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .case("docs/*.md");
}

#[test]
fn the_front_page_is_short() {
    let readme = include_str!("../../README.md");
    assert!(readme.lines().count() <= 150, "it links to the rest");
}
