-- Pages have been links of any kind, in `page_link`, since 0016.
DROP TABLE entry_link;
