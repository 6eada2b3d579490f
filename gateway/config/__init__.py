"""What stands in operators' files, part by part: read strictly, wrong at file and line. It opens nothing but files."""
