<?xml version="1.0" encoding="big5"?>
<letter/>
